"""The scheduler's loop: follows the log, plans, carries out what is due, appends the outcome.

One effect per task at a time; each effect begins with a look at the history's tail, so nothing is
done on old news.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import assert_never

import msgspec

from events import Draft, Head, History, MachineRequested, Recorded, SchedulerEvent, TaskId, limits
from events.protocol import readers
from events.protocol.heartbeat import Heartbeat
from events.protocol.quarantine import Broken
from events.protocol.quarantine import attempt as attempt_step
from infra.log.event_log import Conflict, EventLog, Unavailable
from infra.log.invalid_message import InvalidMessage
from infra.runtime.clock import DraftFactory
from infra.runtime.telemetry import logger, span
from services.scheduler.effects import Effects
from services.scheduler.fleet import state as fleets
from services.scheduler.fleet.history_limits import Excess, HistoryLimits, HistorySizes
from services.scheduler.fleet.outcome import MachineGone, Outcome, conclude, orphan_machine
from services.scheduler.fleet.plan import (
    Abandon,
    Decision,
    Destroy,
    Policy,
    Quarantine,
    Request,
    Resume,
    ServeReader,
    bounded,
    plan,
    to_watch,
    wake_at,
)
from services.scheduler.fleet.state import Attempt, Fleet, Task
from services.scheduler.fleet.violations import FENCING_REASONS
from services.scheduler.machines.client import Refused, Unreachable

_WRITER = "scheduler"
_POSTPONE = timedelta(seconds=2)
_MAX_PAUSE_SECONDS = 60.0
_CATCH_UP_SECONDS = 3.0

_log = logger(__name__)


class Reactor:
    """The scheduler's loop. It plans only once it has folded the log up to `caught_up_at`.

    Should that event never come (an invalid one is not delivered), a pause in the log suffices:
    every effect looks at its history's tail before it begins.
    """

    def __init__(
        self,
        log: EventLog[SchedulerEvent],
        effects: Effects,
        draft_factory: DraftFactory,
        policy: Policy,
        *,
        limits: HistoryLimits | None = None,
        caught_up_at: int = 0,
    ) -> None:
        self._log = log
        self._effects = effects
        self._draft_factory = draft_factory
        self._policy = policy
        self._caught_up_at = caught_up_at
        self._listeners: list[Callable[[SchedulerEvent], None]] = []
        self._sizes = HistorySizes(limits or HistoryLimits())
        self._fleet = Fleet(watching_since=draft_factory.now())
        self._last_batch_at = draft_factory.now()
        self._changed = asyncio.Event()
        self._watched: dict[tuple[TaskId, int], asyncio.Task[None]] = {}
        self._parked: set[TaskId] = set()

    @property
    def fleet(self) -> Fleet:
        """All tasks, as they stand."""
        return self._fleet

    def note_invalid(self, message: InvalidMessage) -> None:
        """Record a message in a history that is not a valid event, and may be a forged one."""
        if message.is_forged:
            self._fleet = fleets.record_tampering(
                self._fleet, message.history.task, message.sequence, message.reason
            )
            self._changed.set()
        if excess := self._sizes.add_invalid(message):
            self._fence(excess)

    def on_fact(self, listener: Callable[[SchedulerEvent], None]) -> None:
        """Call `listener` with every fact this scheduler appends."""
        self._listeners.append(listener)

    async def run(
        self, heartbeats: AsyncIterator[tuple[History, bytes]], until: asyncio.Event
    ) -> None:
        """React until `until` is set, when `heartbeats` ends too; running effects are finished."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow(until))
            group.create_task(self._receive_heartbeats(heartbeats))
            group.create_task(self._wake_to_stop(until))
            while not until.is_set():
                self._changed.clear()
                if self._is_caught_up():
                    self._react(group)
                    await self._sleep_until_due()
                else:
                    await self._sleep(_CATCH_UP_SECONDS)
            for watch in self._watched.values():
                watch.cancel()

    def _react(self, group: asyncio.TaskGroup) -> None:
        """Begin every effect that is due, and a watch on every machine that has none."""
        for decision in plan(self._fleet, self._draft_factory.now(), self._policy):
            if isinstance(decision, Quarantine):
                self._fleet = fleets.quarantine_task(
                    self._fleet, decision.history.task, decision.reason
                )
                self._changed.set()
                continue
            self._fleet = fleets.mark_busy(self._fleet, decision.history.task)
            group.create_task(self._carry_out(decision))
        for name in self._fleet.quarantined - self._parked:
            self._parked.add(name)
            group.create_task(self._park(self._fleet.tasks[name]))
        for task, attempt in to_watch(self._fleet):
            if (task, attempt.number) not in self._watched:
                watch = group.create_task(self._watch(task, attempt))
                self._watched[task, attempt.number] = watch

    async def _park(self, task: Task) -> None:
        """Record a task that broke as a dead letter; its owner reads it in the task's history."""
        await self._log.quarantine(
            readers.SCHEDULER, task.history, task.quarantined_at, task.quarantine
        )

    async def _follow(self, until: asyncio.Event) -> None:
        async for batch in self._log.follow(readers.SCHEDULER, until=until):
            self._last_batch_at = self._draft_factory.now()
            self._learn(batch)
            for excess in self._sizes.add_events(batch):
                self._fence(excess)

    def _fence(self, excess: Excess) -> None:
        """Record that a task has put more into the log than it may."""
        _log.error("history.too_large", task=excess.task, detail=excess.detail)
        self._fleet = fleets.record_excess(self._fleet, excess.task, excess.sequence, excess.detail)
        self._changed.set()

    async def _receive_heartbeats(self, heartbeats: AsyncIterator[tuple[History, bytes]]) -> None:
        async for history, body in heartbeats:
            try:
                heartbeat = msgspec.json.decode(body, type=Heartbeat)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                _log.warning("heartbeat.malformed", task=history.task, error=str(error))
                continue
            now = self._draft_factory.now()
            self._fleet = fleets.record_heartbeat(
                self._fleet, history.task, heartbeat.attempt, at=now, reader=heartbeat.reader
            )
            self._changed.set()

    async def _watch(self, task: TaskId, attempt: Attempt) -> None:
        """Wait for the machine's end, so that a killed worker is noticed at once."""
        await self._effects.until_gone(attempt.machine)
        self._fleet = fleets.record_machine_gone(self._fleet, task, attempt.number)
        del self._watched[task, attempt.number]
        self._changed.set()

    async def _carry_out(self, decision: Decision) -> None:
        history, resume_at = decision.history, None
        name = type(decision).__name__
        try:
            with span(f"scheduler.{name}", task=history.task):
                if _is_fencing(decision) or await self._is_current(history):
                    await self._perform(decision)
        except (Unreachable, Refused, Unavailable) as trouble:
            resume_at = self._draft_factory.now() + _POSTPONE
            _log.warning(
                "decision.postponed", decision=name, task=history.task, reason=str(trouble)
            )
        self._fleet = fleets.mark_idle(self._fleet, history.task, postponed_until=resume_at)
        self._changed.set()

    async def _perform(self, decision: Decision) -> None:
        history = decision.history
        match decision:
            case Request(head=head, fact=fact):
                attempt = await self._append_intent(history, head, fact)
                if attempt is not None:
                    await self._obtain(history, attempt, may_exist=False)
            case Resume(attempt=attempt):
                await self._obtain(history, attempt, may_exist=True)
            case Destroy():
                await self._record(history, await self._effects.destroy(decision))
            case Abandon(head=head, fact=fact):
                await self._append(history, head, [fact])
            case ServeReader(attempt=number, reader=reader):
                await self._effects.serve(decision)
                self._fleet = fleets.record_reader(self._fleet, history.task, number, reader)
            case _:
                assert_never(decision)

    async def _obtain(self, history: History, attempt: Attempt, *, may_exist: bool) -> None:
        """Obtain a machine for an attempt, and destroy it if it did not become the attempt's."""
        attempt = bounded(attempt, self._policy)
        outcome = await self._effects.obtain(history, attempt, may_exist=may_exist)
        await self._record(history, outcome)
        machine = orphan_machine(outcome, self._fleet.tasks[history.task])
        if machine is not None:
            _log.warning("machine.orphan_destroyed", task=history.task, machine=machine)
            await self._effects.discard(machine)

    async def _append_intent(
        self, history: History, head: Head, fact: MachineRequested
    ) -> Attempt | None:
        """Append that a machine will be requested; return None when the history has moved on."""
        if not await self._append(history, head, [fact]):
            return None
        return self._fleet.tasks[history.task].attempt

    async def _record(self, history: History, outcome: Outcome) -> None:
        """Append the outcome of an effect, after whatever was appended meanwhile."""
        while True:
            task = self._fleet.tasks[history.task]
            facts = attempt_step(conclude, outcome, task, self._draft_factory.now(), self._policy)
            if isinstance(facts, Broken):
                self._fleet = fleets.quarantine_task(self._fleet, task.id, facts.reason)
                if isinstance(outcome, MachineGone):
                    self._fleet = fleets.record_machine_closed(self._fleet, task.id)
                return
            if not facts or await self._append(history, task.head, facts):
                return

    async def _append(self, history: History, head: Head, facts: Sequence[SchedulerEvent]) -> bool:
        """Append after `head` and fold it; had the history grown, fold that and return False."""
        task = self._fleet.tasks[history.task]
        drafts = self._draft_factory.drafts(
            [*map(limits.bounded, facts)], by=_WRITER, cause=task.cause
        )
        try:
            new = await self._log.append(history, drafts, after=head)
        except Conflict:
            await self._is_current(history)
            return False
        self._learn(_recorded(history, drafts, new))
        for fact in facts:
            for listener in self._listeners:
                listener(fact)
            _log.info(
                "event.appended", task=history.task, fact=type(fact).__name__, version=new.version
            )
        return True

    async def _is_current(self, history: History) -> bool:
        """Return whether all of a history was folded; fold what was not."""
        tail = await self._log.read(history, after=self._fleet.tasks[history.task].head)
        self._learn(tail)
        return not tail

    def _learn(self, batch: Sequence[Recorded]) -> None:
        self._fleet = fleets.evolve(self._fleet, batch, heard_at=self._draft_factory.now())
        self._changed.set()

    async def _sleep_until_due(self) -> None:
        now = self._draft_factory.now()
        due = wake_at(self._fleet, now, self._policy)
        seconds = (due - now).total_seconds() if due else _MAX_PAUSE_SECONDS
        await self._sleep(min(seconds, _MAX_PAUSE_SECONDS))

    async def _sleep(self, seconds: float) -> None:
        """Sleep until something changes, for at most `seconds`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    def _is_caught_up(self) -> bool:
        if self._fleet.sequence >= self._caught_up_at:
            return True
        pause = self._draft_factory.now() - self._last_batch_at
        return pause.total_seconds() >= _CATCH_UP_SECONDS

    async def _wake_to_stop(self, until: asyncio.Event) -> None:
        await until.wait()
        self._changed.set()


def _is_fencing(decision: Decision) -> bool:
    """Return whether a worker must be stopped: in its flood no look at the log is ever current."""
    return isinstance(decision, Destroy) and decision.cause in FENCING_REASONS


def _recorded(
    history: History, drafts: Sequence[Draft[SchedulerEvent]], head: Head
) -> Sequence[Recorded]:
    """Return what was just appended as the log will deliver it, except for its bytes."""
    return [
        Recorded(
            account=history.account,
            task=history.task,
            id=draft.id,
            version=head.version - behind,
            sequence=head.sequence - behind,
            at=draft.at,
            by=draft.by,
            cause=draft.cause,
            event=draft.event,
        )
        for behind, draft in zip(reversed(range(len(drafts))), drafts, strict=True)
    ]
