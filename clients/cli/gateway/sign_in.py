"""Which gateway is meant, and as whom it is asked.

In this order: `--gateway` (or ERRAND_URL) with ERRAND_TOKEN; the stack that runs here
(local_stacks.py); the gateway last paired with (`errand pair`). ERRAND_TOKEN is best an API key:
an access token ends in minutes.

What is kept is a session: an access token, and the refresh token that is traded for the next two.
Several `errand` at once share it: who renews it holds a lock, and the others find it renewed.
"""

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from clients.cli.errors import Trouble
from clients.cli.gateway.client import Gateway, SignedOut, Unreachable
from events.protocol.local_stack import LocalStack

_SPARE_SECONDS = 30.0


class KeptSession(msgspec.Struct, frozen=True):
    """A session, as the gateway told it."""

    token: str
    refresh_token: str
    expires_at: datetime

    @property
    def is_fresh(self) -> bool:
        """Tell whether the access token is good for a while yet, by this machine's clock."""
        return self.expires_at.timestamp() - time.time_ns() / 1e9 > _SPARE_SECONDS


class Sessions(msgspec.Struct):
    """The sessions this machine holds, by gateway, and the gateway last used."""

    sessions: dict[str, KeptSession] = {}
    last: str = ""


class SessionFile:
    """The file that keeps the sessions, readable by its owner alone."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Sessions:
        """Read the sessions; none when there is no file or it is damaged."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Sessions)
        except (OSError, msgspec.DecodeError):
            return Sessions()

    def keep(self, gateway: str, session: KeptSession) -> None:
        """Keep one session, atomically."""
        sessions = self.read()
        sessions.sessions[gateway] = session
        sessions.last = gateway
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self.path.with_suffix(f".{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(sessions)))
        draft.replace(self.path)

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Wait until no other `errand` renews a session, and let none meanwhile."""
        descriptor = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            await asyncio.to_thread(fcntl.flock, descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


class Renewal:
    """Keeps one session's access token fresh: what a `Gateway` asks for its token."""

    def __init__(self, url: str, file: SessionFile) -> None:
        self._url = url
        self._file = file

    async def __call__(self, *, refused: str = "") -> str:
        """Give a fresh token, another than `refused`. Raises SignedOut, Unreachable."""
        kept = self._kept()
        if not kept.is_fresh or kept.token == refused:
            async with self._file.locked():
                kept = self._kept()  # perhaps renewed while we waited
                if not kept.is_fresh or kept.token == refused:
                    kept = await _ask(
                        self._url, "/v1/sessions/refresh", {"refresh_token": kept.refresh_token}
                    )
                    self._file.keep(self._url, kept)
        return kept.token

    def _kept(self) -> KeptSession:
        kept = self._file.read().sessions.get(self._url)
        if kept is None:
            raise SignedOut(f"You are not signed in to {self._url}.", "`errand pair` signs in.")
        return kept


async def redeem(gateway: str, code: str, device: str) -> KeptSession:
    """Turn a pairing code into a session. Raises Trouble when the code is not valid."""
    return await _ask(
        gateway, "/v1/sessions", {"code": code, "device": {"name": device, "platform": "cli"}}
    )


async def _ask(gateway: str, path: str, body: dict[str, Any]) -> KeptSession:
    async with Gateway(gateway) as asked:
        answer = await asked.post(path, body)
    try:
        return msgspec.convert(answer, KeptSession)
    except msgspec.ValidationError as error:
        raise Trouble(
            f"The gateway says what this `errand` does not understand: {error}",
            "Is one of the two much older than the other?",
        ) from None


async def sign_in(
    *,
    gateway: str,
    token: str,
    file: SessionFile,
    stack: LocalStack | None,
    device: str,
    may_be_away: bool = False,
) -> Gateway:
    """Give a gateway to ask. Raises Trouble saying how to come by one.

    With `may_be_away` one that does not answer is given too, when a token for it is known.
    """
    sessions = file.read()
    url = (gateway or (stack.gateway if stack else "") or sessions.last).rstrip("/")
    if not url:
        raise Trouble(
            "No gateway is known here.",
            "`make run` starts one on this machine; `errand pair URL CODE` signs in to another.",
        )
    if token and await _is_valid(Gateway(url, token), may_be_away=may_be_away):
        return Gateway(url, token)
    kept = sessions.sessions.get(url)
    renewal = Renewal(url, file)
    if not token and kept:
        asked = Gateway(url, kept.token, renew=renewal)
        if await _is_valid(asked, may_be_away=may_be_away):
            return Gateway(url, kept.token, renew=renewal)
    if stack is None or stack.gateway.rstrip("/") != url or not stack.operator_token:
        raise Trouble(
            f"You are not signed in to {url}.",
            f"Get a pairing code there and: errand pair {url} CODE",
        )
    async with Gateway(url, stack.operator_token) as operator:
        code = str((await operator.post("/v1/pairings", {}))["code"])
    fresh = await redeem(url, code, device)
    file.keep(url, fresh)
    return Gateway(url, fresh.token, renew=renewal)


async def _is_valid(gateway: Gateway, *, may_be_away: bool) -> bool:
    async with gateway as asked:
        try:
            await asked.get("/v1/me")
        except SignedOut:
            return False
        except Unreachable:
            if not may_be_away:
                raise
        return True
