"""The agent's loop: read, fold, do the one thing due, append, repeat."""

import asyncio
from datetime import datetime, timedelta
from typing import Final

from events import ToolStarted
from events.protocol.quarantine import Broken, attempt
from infra.log.event_log import Conflict
from infra.runtime.clock import Clock
from infra.runtime.telemetry import logger
from services.worker.agent.failures.outage import Unreachable
from services.worker.agent.next_step import beside, next_step
from services.worker.agent.state import Turn
from services.worker.agent.steps import Record, Rest, StartTools, TakeSnapshot, Wait
from services.worker.agent.tool_calls import Call
from services.worker.effects.perform import Deed, Facts, World, perform
from services.worker.effects.task_history import Logbook
from services.worker.ports import NothingToMerge
from services.worker.tools.toolbox import command_of, title_of

_log = logger(__name__)

LAST_SECONDS: Final = 30.0
"""How long before its deadline a worker begins to leave."""


async def drive(
    book: Logbook, world: World, *, stopping: asyncio.Event, deadline: datetime | None = None
) -> None:
    """Carry a task from wherever it stands as far as it goes; return when nothing is due.

    `stopping` asks for a graceful end; at the deadline the task fails. Raises Unavailable when the
    log is lost for good.
    """
    await book.read()
    over = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        background = [
            group.create_task(book.follow(over)),
            group.create_task(_keep(book, world)),
            group.create_task(world.live.run(over)),
            group.create_task(_stop_when_told(book, stopping)),
            group.create_task(_stop_in_time(book, deadline, world.clock)),
        ]
        await _work(book, world)
        over.set()
        for task in background:
            task.cancel()


async def _work(book: Logbook, world: World) -> None:
    while True:
        changes = book.changes
        step = attempt(next_step, book.turn, world.clock())
        if isinstance(step, Broken):
            book.spoil(step.reason)
            continue
        try:
            match step:
                case Rest():
                    return
                case Record(facts=facts):
                    await book.append(facts)
                case StartTools(calls=calls):
                    await book.append([_starting(call, book.turn) for call in calls])
                case Wait(until=until):
                    await book.changed(changes, until)
                case TakeSnapshot():
                    await book.changed(changes)  # `_keep` is at it
                case _:
                    await _carry_out(book, world, step)
        except Conflict:
            continue  # the history has grown: decide again
        except Unreachable as away:
            _leave(book, away)


def _starting(call: Call, turn: Turn) -> ToolStarted:
    tree = "" if turn.is_dirty else turn.tree
    title, command = title_of(call), command_of(call)
    return ToolStarted(call=call.id, tool=call.name, title=title, tree=tree, command=command)


async def _keep(book: Logbook, world: World) -> None:
    """Take every snapshot, beside the step that is due where it may be so, one after another."""
    while True:
        changes = book.changes
        step = attempt(beside, book.turn, world.clock())
        if step is None or isinstance(step, Broken):  # `_work` sees to it
            await book.changed(changes)
        else:
            try:
                await _carry_out(book, world, step)
            except Unreachable as away:
                _leave(book, away)


async def _carry_out(book: Logbook, world: World, step: Deed) -> None:
    """Do a step unless it is overtaken, and record what came of it as long as it is wanted."""
    facts = await _unless_overtaken(book, world, step)
    if facts is None:
        return None
    if not facts:
        book.settle(step)
    while facts and _is_due(book, step, world.clock):
        try:
            return await book.append(facts)
        except Conflict:
            continue  # what was done, and paid for, is recorded after what came in between
    return None


async def _unless_overtaken(book: Logbook, world: World, step: Deed) -> Facts | None:
    """Return what came of a step; None when it was stopped because something else is due now."""
    async with asyncio.TaskGroup() as group:
        doing = group.create_task(_try(book, world, step))
        overtaken = group.create_task(_overtaken(book, step, world.clock))
        await asyncio.wait({doing, overtaken}, return_when=asyncio.FIRST_COMPLETED)
        overtaken.cancel()
        doing.cancel()
    return None if doing.cancelled() else doing.result()


async def _try(book: Logbook, world: World, step: Deed) -> Facts | None:
    try:
        return await perform(world, step, book.turn, tuple(book.history))
    except NothingToMerge as reason:
        _log.info("pull_request.not_needed", reason=str(reason))
        book.settle_merged()
        return None
    except Unreachable as away:
        _leave(book, away)
        return None


def _leave(book: Logbook, away: Unreachable) -> None:
    _log.error("attempt.leaving", reason=away.reason, detail=away.detail)
    book.stop(away.reason, away.detail)


async def _overtaken(book: Logbook, step: Deed, clock: Clock) -> None:
    while _is_due(book, step, clock):
        await book.changed(book.changes)


def _is_due(book: Logbook, step: Deed, clock: Clock) -> bool:
    now = clock()
    return step in (attempt(next_step, book.turn, now), attempt(beside, book.turn, now))


async def _stop_when_told(book: Logbook, stopping: asyncio.Event) -> None:
    await stopping.wait()
    book.stop("drained")


async def _stop_in_time(book: Logbook, deadline: datetime | None, clock: Clock) -> None:
    if deadline is None:
        return
    last = deadline - timedelta(seconds=LAST_SECONDS)
    await asyncio.sleep(max(0.0, (last - clock()).total_seconds()))
    book.stop("deadline")
