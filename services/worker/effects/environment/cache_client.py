"""The environments that the broker keeps for the task's account and repository.

A cache is no reason to wait for long, or to fail: what cannot be had in a few seconds is a miss.
"""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import httpx
import msgspec

from events.protocol.broker_environment import (
    ENVIRONMENT_PATH,
    PART_BYTES,
    EnvironmentRequest,
    EnvironmentResponse,
    PackPart,
    PackRequest,
)
from services.worker.agent.failures.outage import Unreachable
from services.worker.effects.broker_client import BrokerClient
from services.worker.workspace.environment.choice import ChosenEnvironment

_SECONDS: Final = 10.0


class CacheUnavailable(Exception):
    """The cache does not answer, or not with what was stored; the text says why."""


class CacheClient:
    """Looks packs up, fetches and stores them. Every method raises CacheUnavailable."""

    def __init__(self, broker: BrokerClient) -> None:
        self._broker = broker

    async def look_up(self, chosen: ChosenEnvironment, key: str) -> Sequence[PackPart]:
        """Report the environment that was found; return the parts of its pack, if there is one."""
        asked = EnvironmentRequest(
            source=chosen.source,
            reason=chosen.reason,
            definition=chosen.definition,
            key=key or None,
        )
        answer = await self._ask("POST", "", msgspec.json.encode(asked))
        return msgspec.json.decode(answer.content, type=EnvironmentResponse).parts

    async def fetch(self, key: str, parts: Sequence[PackPart], file: Path) -> None:
        """Write a pack to a file. Each part is checked before it is written."""
        with file.open("wb") as pack:
            for number, part in enumerate(parts):
                content = (await self._ask("GET", f"/{key}/{number}")).content
                if sha256(content).hexdigest() != part.sha256:
                    raise CacheUnavailable(f"part {number} is not what was stored")
                pack.write(content)

    async def store(self, key: str, file: Path) -> None:
        """Store a pack in parts, and then name it."""
        parts: list[PackPart] = []
        with file.open("rb") as pack:
            while content := pack.read(PART_BYTES):
                await self._ask("PUT", f"/{key}/{len(parts)}", content)
                parts.append(PackPart(len(content), sha256(content).hexdigest()))
        await self._ask("POST", f"/{key}", msgspec.json.encode(PackRequest(tuple(parts))))

    async def _ask(self, method: str, path: str, content: bytes = b"") -> httpx.Response:
        try:
            answer = await self._broker.send(
                method, f"{ENVIRONMENT_PATH}{path}", content, max_seconds=_SECONDS
            )
        except Unreachable as away:
            raise CacheUnavailable(str(away)) from away
        if not answer.is_success:
            raise CacheUnavailable(f"the broker answers {answer.status_code}")
        return answer
