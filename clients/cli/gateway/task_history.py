"""A task's history over HTTP, as it is stored: for looking back. Nothing here asks for anything."""

from collections.abc import AsyncGenerator, Awaitable
from datetime import datetime
from typing import Any, Protocol

import msgspec

from events import AccountId, History, Recorded, TaskId, codec

_PAGE_EVENTS = 1000


class Reading(Protocol):
    """The half of a gateway that changes nothing."""

    def get(self, path: str, **query: str | int) -> Awaitable[dict[str, Any]]:
        """Read JSON. Raises Trouble."""
        ...

    def content(self, path: str, **query: str | int) -> Awaitable[bytes]:
        """Read bytes. Raises Trouble."""
        ...


class Message(msgspec.Struct, frozen=True):
    """Something said: by a person, the agent, or as a question, an answer, a summary."""

    version: int
    at: datetime
    role: str
    text: str


class Past(msgspec.Struct, frozen=True):
    """A task as it was: its state (as `GET /v1/tasks/{id}` shows it) and what was said."""

    state: dict[str, Any]
    conversation: list[Message]
    head: int

    @property
    def version(self) -> int:
        """The version this is the state of."""
        return int(self.state["version"])


class _Page(msgspec.Struct):
    data: list[msgspec.Raw]
    next: int | None


_pages = msgspec.json.Decoder(_Page)


async def past(gateway: Reading, task: str, at: str = "") -> Past:
    """Ask for a task as it was at a version or a time; as it is now without. Raises Trouble."""
    found = await gateway.get(f"/v1/tasks/{task}/state", at=at)
    return msgspec.convert(found, Past)


async def events(
    gateway: Reading, task: str, *, after: int = 0, up_to: int | None = None
) -> AsyncGenerator[Recorded, None]:
    """Yield a task's events above `after`, to `up_to` or the end of now. Raises Trouble.

    Pages are fetched as they are needed. An event of a type this client does not know is left out.
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
