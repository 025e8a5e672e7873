"""Check whether the worker installed here would write a task's history again as it stands."""

from collections.abc import Sequence
from contextlib import aclosing
from importlib.metadata import entry_points
from typing import Protocol

import msgspec
from msgspec.structs import replace

from clients.cli.errors import CliError
from clients.cli.gateway.task_history import HistoryReader, read_events
from events import Block, ModelReplied, Recorded

_GROUP = "errand.checks"
_blocks = msgspec.json.Decoder(tuple[Block, ...])


class Difference(msgspec.Struct, frozen=True):
    """Difference at a version: the events of the history, and the step the worker would take."""

    version: int
    found: str
    expected: str


class ReplayCheck(msgspec.Struct, frozen=True):
    """The JSON of `errand replay --check`: the first difference, or none."""

    task: str
    events: int
    divergence: Difference | None


class _Checker(Protocol):
    """The worker's own check. A client may not import a service, so an entry point names it."""

    def __call__(self, history: Sequence[Recorded]) -> msgspec.Struct | None:
        """Return the first difference. Raises ValueError on a history with gaps."""
        ...


async def check_replay(gateway: HistoryReader, task: str) -> ReplayCheck:
    """Read a task's whole history and check it. Raises CliError."""
    checker = _checker()
    async with aclosing(read_events(gateway, task)) as events:
        history = [await _whole(gateway, task, recorded) async for recorded in events]
    try:
        found = checker(history)
    except ValueError as error:
        remedy = "Install the Errand that wrote it, or a newer one, and check there."
        raise CliError(f"This history cannot be checked: {error}.", remedy) from None
    return ReplayCheck(
        task=task,
        events=len(history),
        divergence=msgspec.convert(found, Difference | None, from_attributes=True),
    )


async def _whole(gateway: HistoryReader, task: str, recorded: Recorded) -> Recorded:
    """Return an event with the blocks of its reply, fetched where they were too long for it."""
    reply = recorded.event
    if not isinstance(reply, ModelReplied) or reply.blob is None:
        return recorded
    content = await gateway.content(f"/v1/tasks/{task}/events/{recorded.version}/content")
    return replace(recorded, event=replace(reply, blocks=_blocks.decode(content)))


def _checker() -> _Checker:
    for point in entry_points(group=_GROUP, name="replay"):
        try:
            checker: _Checker = point.load()
        except ImportError as error:
            reason = f"The worker's check cannot be loaded: {error}."
            raise CliError(reason, "Install Errand with all its extras: `make setup`.") from None
        return checker
    raise CliError(
        "There is no worker installed here whose steps could be compared.",
        "Run this where Errand itself is installed.",
    )
