"""The agent's loop: read, fold, do the one thing due, append, repeat."""

import asyncio
from datetime import datetime, timedelta
from typing import Final

from events.protocol.quarantine import Broken, attempt
from infra.log.event_log import Conflict
from infra.runtime.clock import Clock
from infra.runtime.telemetry import logger
from services.worker.agent.failures.outage import Unreachable
from services.worker.agent.next_step import next_step, parallel_snapshot
from services.worker.agent.steps import Record, Rest, StartTools, TakeSnapshot, Wait
from services.worker.effects.egress import follow_egress
from services.worker.effects.perform import Effect, Facts, perform
from services.worker.effects.task_history import TaskHistory
from services.worker.effects.worker_context import WorkerContext
from services.worker.ports import NothingToMerge
from services.worker.tools.toolbox import tool_started

_log = logger(__name__)

SHUTDOWN_SECONDS: Final = 30.0
"""Time before its deadline at which a worker begins to leave."""


async def drive(
    history: TaskHistory,
    context: WorkerContext,
    *,
    stopping: asyncio.Event,
    deadline: datetime | None = None,
) -> None:
    """Carry a task from wherever it stands as far as it goes; return when nothing is due.

    `stopping` asks for a graceful end; at the deadline the task fails. Raises Unavailable when the
    log is lost for good.
    """
    await history.read_events()
    over = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        background = [
            group.create_task(history.follow(over)),
            group.create_task(_take_snapshots(history, context)),
            group.create_task(context.live.run(over)),
            group.create_task(follow_egress(history, context.egress)),
            group.create_task(_stop_on_signal(history, stopping)),
            group.create_task(_stop_before_deadline(history, deadline, context.clock)),
        ]
        await _run_steps(history, context)
        over.set()
        for task in background:
            task.cancel()


async def _run_steps(history: TaskHistory, context: WorkerContext) -> None:
    while True:
        changes = history.changes
        step = attempt(next_step, history.state, context.clock())
        if isinstance(step, Broken):
            history.mark_unreadable(step.reason)
            continue
        try:
            match step:
                case Rest():
                    return
                case Record(facts=facts):
                    await history.append(facts)
                case StartTools(calls=calls):
                    await history.append([tool_started(call, history.state) for call in calls])
                case Wait(until=until):
                    await history.wait_for_change(changes, until)
                case TakeSnapshot():
                    await history.wait_for_change(changes)  # `_keep` is at it
                case _:
                    await _carry_out(history, context, step)
        except Conflict:
            continue  # the history has grown: decide again
        except Unreachable as away:
            _stop_for_outage(history, away)


async def _take_snapshots(history: TaskHistory, context: WorkerContext) -> None:
    """Take every snapshot, beside the step that is due where it may be so, one after another."""
    while True:
        changes = history.changes
        step = attempt(parallel_snapshot, history.state, context.clock())
        if step is None or isinstance(step, Broken):  # `_work` sees to it
            await history.wait_for_change(changes)
        else:
            try:
                await _carry_out(history, context, step)
            except Unreachable as away:
                _stop_for_outage(history, away)


async def _carry_out(history: TaskHistory, context: WorkerContext, step: Effect) -> None:
    """Do a step unless it is overtaken, and record what came of it as long as it is wanted."""
    facts = await _unless_overtaken(history, context, step)
    if facts is None:
        return None
    if not facts:
        history.mark_done(step)
    while facts and _is_due(history, step, context.clock):
        try:
            return await history.append(facts)
        except Conflict:
            continue  # what was done, and paid for, is recorded after what came in between
    return None


async def _unless_overtaken(
    history: TaskHistory, context: WorkerContext, step: Effect
) -> Facts | None:
    """Return what came of a step; None when it was stopped because something else is due now."""
    async with asyncio.TaskGroup() as group:
        doing = group.create_task(_perform_or_stop(history, context, step))
        overtaken = group.create_task(_overtaken(history, step, context.clock))
        await asyncio.wait({doing, overtaken}, return_when=asyncio.FIRST_COMPLETED)
        overtaken.cancel()
        doing.cancel()
    return None if doing.cancelled() else doing.result()


async def _perform_or_stop(
    history: TaskHistory, context: WorkerContext, step: Effect
) -> Facts | None:
    try:
        return await perform(context, step, history.state, tuple(history.events))
    except NothingToMerge as reason:
        _log.info("pull_request.not_needed", reason=str(reason))
        history.mark_merged()
        return None
    except Unreachable as away:
        _stop_for_outage(history, away)
        return None


def _stop_for_outage(history: TaskHistory, away: Unreachable) -> None:
    _log.error("attempt.leaving", reason=away.reason, detail=away.detail)
    history.request_stop(away.reason, away.detail)


async def _overtaken(history: TaskHistory, step: Effect, clock: Clock) -> None:
    while _is_due(history, step, clock):
        await history.wait_for_change(history.changes)


def _is_due(history: TaskHistory, step: Effect, clock: Clock) -> bool:
    now = clock()
    return step in (
        attempt(next_step, history.state, now),
        attempt(parallel_snapshot, history.state, now),
    )


async def _stop_on_signal(history: TaskHistory, stopping: asyncio.Event) -> None:
    await stopping.wait()
    history.request_stop("drained")


async def _stop_before_deadline(
    history: TaskHistory, deadline: datetime | None, clock: Clock
) -> None:
    if deadline is None:
        return
    last = deadline - timedelta(seconds=SHUTDOWN_SECONDS)
    await asyncio.sleep(max(0.0, (last - clock()).total_seconds()))
    history.request_stop("deadline")
