"""Reader of a task's history and earlier states over HTTP; it changes nothing."""

from collections.abc import AsyncGenerator, Awaitable
from typing import Protocol, TypeVar

import msgspec

from clients.cli.errors import InvalidAnswer
from events import AccountId, History, Recorded, TaskId, codec
from events.protocol.api.tasks import EventPage, PastTask

T = TypeVar("T")

_PAGE_EVENTS = 1000


class HistoryReader(Protocol):
    """Read-only part of the gateway client."""

    def get(self, path: str, kind: type[T], /, **query: str | int) -> Awaitable[T]:
        """Read an answer. Raises CliError."""
        ...

    def content(self, path: str, /, **query: str | int) -> Awaitable[bytes]:
        """Read bytes. Raises CliError."""
        ...


async def read_past(gateway: HistoryReader, task: str, at: str = "") -> PastTask:
    """Return a task at a version or time, by default the newest. Raises CliError."""
    return await gateway.get(f"/v1/tasks/{task}/state", PastTask, at=at)


async def read_events(
    gateway: HistoryReader, task: str, *, after: int = 0, up_to: int | None = None
) -> AsyncGenerator[Recorded, None]:
    """Yield a task's events after `after`, up to `up_to` or the current end. Raises CliError.

    Pages are fetched as they are needed. Events of an unknown type are skipped.
    """
    place = History(AccountId(""), TaskId(task))
    following: int | None = after
    while following is not None and (up_to is None or following < up_to):
        path = f"/v1/tasks/{task}/events"
        page = await gateway.get(path, EventPage, after=following, limit=_PAGE_EVENTS)
        following = page.next
        for raw in page.data:
            try:
                recorded = codec.decode(place, 0, bytes(raw))
            except msgspec.ValidationError:
                continue
            if up_to is not None and recorded.version > up_to:
                return
            yield recorded


async def read_event(gateway: HistoryReader, task: str, version: int) -> Recorded | None:
    """Return the event of one version; None when there is none as yet. Raises CliError."""
    path = f"/v1/tasks/{task}/events"
    page = await gateway.get(path, EventPage, after=version - 1, limit=1)
    if not page.data:
        return None
    try:
        return codec.decode(History(AccountId(""), TaskId(task)), 0, bytes(page.data[0]))
    except msgspec.ValidationError as error:
        raise InvalidAnswer(f"version {version} of its history", error) from None
