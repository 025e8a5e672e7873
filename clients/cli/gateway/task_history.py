"""Reader of a task's history and earlier states over HTTP; it changes nothing."""

from collections.abc import AsyncGenerator, Awaitable
from datetime import datetime
from typing import Any, Protocol

import msgspec

from events import AccountId, History, Recorded, TaskId, codec

_PAGE_EVENTS = 1000


class HistoryReader(Protocol):
    """Read-only part of the gateway client."""

    def get(self, path: str, **query: str | int) -> Awaitable[dict[str, Any]]:
        """Read JSON. Raises CliError."""
        ...

    def content(self, path: str, **query: str | int) -> Awaitable[bytes]:
        """Read bytes. Raises CliError."""
        ...


class Message(msgspec.Struct, frozen=True):
    """One message of the conversation: an instruction, reply, question, answer or summary."""

    version: int
    at: datetime
    role: str
    text: str


class TaskAtVersion(msgspec.Struct, frozen=True):
    """A task at one version: its state, as in `GET /v1/tasks/{id}`, and its conversation."""

    state: dict[str, Any]
    conversation: list[Message]
    head: int

    @property
    def version(self) -> int:
        """Return the version of this state."""
        return int(self.state["version"])


class _Page(msgspec.Struct):
    data: list[msgspec.Raw]
    next: int | None


_pages = msgspec.json.Decoder(_Page)


async def past(gateway: HistoryReader, task: str, at: str = "") -> TaskAtVersion:
    """Return a task at a version or time, by default the newest. Raises CliError."""
    found = await gateway.get(f"/v1/tasks/{task}/state", at=at)
    return msgspec.convert(found, TaskAtVersion)


async def events(
    gateway: HistoryReader, task: str, *, after: int = 0, up_to: int | None = None
) -> AsyncGenerator[Recorded, None]:
    """Yield a task's events after `after`, up to `up_to` or the current end. Raises CliError.

    Pages are fetched as they are needed. Events of an unknown type are skipped.
    """
    place = History(AccountId(""), TaskId(task))
    following: int | None = after
    while following is not None and (up_to is None or following < up_to):
        page = _pages.decode(
            await gateway.content(f"/v1/tasks/{task}/events", after=following, limit=_PAGE_EVENTS)
        )
        following = page.next
        for raw in page.data:
            try:
                recorded = codec.decode(place, 0, bytes(raw))
            except msgspec.ValidationError:
                continue
            if up_to is not None and recorded.version > up_to:
                return
            yield recorded
