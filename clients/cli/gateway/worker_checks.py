"""Checks of recorded histories by the worker that is installed here.

A client may not import a service, so the checks are found by entry points of `errand.checks`.
"""

from collections.abc import Sequence
from contextlib import aclosing
from importlib.metadata import entry_points
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from clients.cli.errors import CliError
from clients.cli.gateway.task_history import HistoryReader, read_events
from events import ApprovalRule, Block, ModelReplied, Policy, Recorded

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


class TriedCall(msgspec.Struct, frozen=True):
    """A call to ask about or to deny, at the version of the reply that made it.

    `is_repeated`: an answer for the whole task to an earlier request would have allowed it.
    """

    version: int
    title: str
    verdict: str
    reasons: str
    is_repeated: bool


class PolicyTrial(msgspec.Struct, frozen=True):
    """The JSON of `errand policy test`, for one task: how many calls it had, and which it meets."""

    task: str
    calls: int
    tried: tuple[TriedCall, ...]


class _Check(Protocol):
    """A check of the worker: a history first. Raises ValueError on one that it cannot judge."""

    def __call__(self, history: Sequence[Recorded], *others: Any) -> msgspec.Struct | None: ...  # noqa: ANN401


async def check_replay(gateway: HistoryReader, task: str) -> ReplayCheck:
    """Check whether the worker would write a task's history again. Raises CliError."""
    history = await _whole_history(gateway, task)
    found = _ask("replay", history)
    return ReplayCheck(
        task=task,
        events=len(history),
        divergence=msgspec.convert(found, Difference | None, from_attributes=True),
    )


async def try_policy(
    gateway: HistoryReader, task: str, policy: Policy, rules: Sequence[ApprovalRule]
) -> PolicyTrial:
    """Judge all calls of a task by a policy and rules. Raises CliError."""
    found = msgspec.to_builtins(_ask("policy", await _whole_history(gateway, task), policy, rules))
    return msgspec.convert({**found, "task": task}, PolicyTrial)


async def _whole_history(gateway: HistoryReader, task: str) -> list[Recorded]:
    async with aclosing(read_events(gateway, task)) as events:
        return [await _whole(gateway, task, recorded) async for recorded in events]


async def _whole(gateway: HistoryReader, task: str, recorded: Recorded) -> Recorded:
    """Return an event with the blocks of its reply, fetched where they were too long for it."""
    reply = recorded.event
    if not isinstance(reply, ModelReplied) or reply.blob is None:
        return recorded
    content = await gateway.content(f"/v1/tasks/{task}/events/{recorded.version}/content")
    return replace(recorded, event=replace(reply, blocks=_blocks.decode(content)))


def _ask(name: str, history: Sequence[Recorded], *others: Any) -> msgspec.Struct | None:  # noqa: ANN401
    try:
        return _load(name)(history, *others)
    except ValueError as error:
        remedy = "Install the Errand that wrote it, or a newer one, and check there."
        raise CliError(f"This history cannot be checked: {error}.", remedy) from None


def _load(name: str) -> _Check:
    for point in entry_points(group=_GROUP, name=name):
        try:
            check: _Check = point.load()
        except ImportError as error:
            reason = f"The worker's check cannot be loaded: {error}."
            raise CliError(reason, "Install Errand with all its extras: `make setup`.") from None
        return check
    raise CliError(
        "There is no worker installed here that could judge a history.",
        "Run this where Errand itself is installed.",
    )
