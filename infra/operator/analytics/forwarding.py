"""Events to other people's servers, as signed webhooks: an example of a consumer with a cursor.

Each endpoint is followed for itself, in the log's order, from its own cursor. An event is sent at
least once: after a crash the last one may come again, and its id shows it. A server that is away or
busy is asked again for ever, later and later; one that refuses is given up, its cursor where it
was, and the others go on.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Annotated, Final

import httpx
import msgspec

from events import AccountId, Recorded
from infra.log.jetstream import Connection, JetStreamLog, Selection
from infra.operator.analytics.cloud_event import Mode, message, secret_bytes
from infra.operator.analytics.consumer import follow_events
from infra.operator.analytics.cursor import Cursor, CursorFile
from infra.runtime.clock import Clock
from infra.runtime.telemetry import logger

Say = Callable[[str], None]

_TIMEOUT_SECONDS: Final = 15.0
_MAX_PAUSE_SECONDS: Final = 300.0
_MAX_DOUBLINGS: Final = 10
_LATER: Final = frozenset({408, 425, 429})
_FIRST_SERVER_ERROR: Final = 500
_NAME: Final = r"^[a-z0-9][a-z0-9_-]{0,62}$"

_log = logger(__name__)


class Endpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One receiver. Its secret is in the environment, under the name `secret_variable`.

    `types` are tags ("task.finished"); none means all. Without a cursor it begins at `since`, or at
    the log's first event.
    """

    name: Annotated[str, msgspec.Meta(pattern=_NAME)]
    url: str
    secret_variable: str
    types: frozenset[str] = frozenset()
    account: AccountId | None = None
    mode: Mode = "structured"
    since: datetime | None = None


class Refused(Exception):
    """An endpoint answered that it will not have the event."""


class Misconfigured(Exception):
    """The endpoints cannot be meant so. The text says why."""


class _Endpoints(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    endpoint: tuple[Endpoint, ...]


def read_endpoints(text: str, environment: Mapping[str, str]) -> dict[Endpoint, bytes]:
    """Read the endpoints (TOML, a table `[[endpoint]]` each) and their secrets.

    Raises Misconfigured.
    """
    try:
        found = msgspec.toml.decode(text, type=_Endpoints).endpoint
    except msgspec.DecodeError as error:
        raise Misconfigured(str(error)) from None
    if len({endpoint.name for endpoint in found}) < len(found):
        raise Misconfigured("Two endpoints have one name; each name has a cursor of its own.")
    return {endpoint: _secret(endpoint, environment) for endpoint in found}


def _secret(endpoint: Endpoint, environment: Mapping[str, str]) -> bytes:
    if not endpoint.url.startswith(("https://", "http://")):
        raise Misconfigured(f"The URL of {endpoint.name} begins with neither https:// nor http://.")
    try:
        return secret_bytes(environment.get(endpoint.secret_variable, ""))
    except ValueError as error:
        raise Misconfigured(
            f"The secret of {endpoint.name}, in {endpoint.secret_variable}: {error}."
        ) from None


class Forwarder:
    """Sends one endpoint what it is to have, and keeps its cursor."""

    def __init__(
        self, endpoint: Endpoint, secret: bytes, cursors: Path, *, clock: Clock, chance: Random
    ) -> None:
        self.endpoint = endpoint
        self.file = CursorFile(cursors / f"{endpoint.name}.json")
        self._secret = secret
        self._clock = clock
        self._chance = chance

    async def run(
        self,
        log: Connection,
        client: httpx.AsyncClient,
        *,
        until: asyncio.Event,
        up_to: int | None = None,
        begin: int | datetime | None = None,
    ) -> int:
        """Send what there is, and go on as events come; return how many were sent.

        Ends at the sequence `up_to`, or when `until` is set. `begin` says where to begin, instead
        of the cursor: at a sequence or a time, inclusive. Raises Refused, ValueError when the
        cursor is damaged or of another log.
        """
        created = (await JetStreamLog(log).info()).created
        selection = self._selection(created, begin, up_to)
        sent = 0
        name = f"forward-{self.endpoint.name}"
        async with aclosing(follow_events(log, name, selection, until=until)) as feed:
            async for recorded in feed:
                if not await self._deliver(client, recorded, until):
                    break
                sent += 1
                await asyncio.to_thread(self.file.keep, Cursor(recorded.sequence, created))
        return sent

    def _selection(
        self, created: datetime, begin: int | datetime | None, up_to: int | None
    ) -> Selection:
        cursor = self.file.read() if begin is None else None
        if cursor is not None and cursor.created != created:
            raise ValueError(
                f"{self.file.path} is the cursor of another log, created {cursor.created}. Say "
                "where to begin in this one, or delete the file."
            )
        after, since = cursor.sequence if cursor else 0, self.endpoint.since
        if isinstance(begin, int):
            after, since = max(0, begin - 1), None
        elif begin is not None:
            since = begin
        return Selection(
            after=after,
            since=since,
            up_to=up_to,
            types=self.endpoint.types,
            account=self.endpoint.account,
        )

    async def _deliver(
        self, client: httpx.AsyncClient, recorded: Recorded, until: asyncio.Event
    ) -> bool:
        """Send one event until it is taken. False when stopped before that."""
        tries = 0
        while not until.is_set():
            pause_seconds = await self._attempt(client, recorded, tries)
            if pause_seconds is None:
                return True
            tries += 1
            try:
                async with asyncio.timeout(pause_seconds):
                    await until.wait()
            except TimeoutError:
                continue
        return False

    async def _attempt(
        self, client: httpx.AsyncClient, recorded: Recorded, tries: int
    ) -> float | None:
        """Send once. None when it was taken, else how long to wait, in seconds. Raises Refused."""
        sending = message(recorded, self.endpoint.mode, secret=self._secret, now=self._clock())
        try:
            answer = await client.post(
                self.endpoint.url,
                content=sending.body,
                headers=sending.headers,
                timeout=_TIMEOUT_SECONDS,
            )
        except httpx.TransportError as error:
            reason, retry_after_seconds = type(error).__name__, 0.0
        else:
            if answer.is_success:
                return None
            reason, retry_after_seconds = f"answered {answer.status_code}", _retry_after(answer)
            if answer.status_code not in _LATER and answer.status_code < _FIRST_SERVER_ERROR:
                raise Refused(
                    f"{self.endpoint.name} refused event {recorded.id} (sequence "
                    f"{recorded.sequence}): it {reason}. Its cursor stands before that event."
                )
        pause = max(retry_after_seconds, self._pause_seconds(tries))
        _log.warning(
            "forwarding.delivery_failed",
            endpoint=self.endpoint.name,
            reason=reason,
            again_in=round(pause),
        )
        return pause

    def _pause_seconds(self, tries: int) -> float:
        longest = min(_MAX_PAUSE_SECONDS, 2.0 ** min(tries, _MAX_DOUBLINGS))
        return longest * self._chance.uniform(0.5, 1.0)


def _retry_after(answer: httpx.Response) -> float:
    """Read Retry-After in seconds (RFC 9110 §10.2.3); its form as a date is passed over."""
    said = answer.headers.get("retry-after", "")
    return min(float(said), _MAX_PAUSE_SECONDS) if said.isascii() and said.isdigit() else 0.0
