"""Whatever stands in the log, no reader, fold, plan or projection raises.

EVENTS=100000 says how many events are tried, for each of the tests; without it as many as take some
seconds.
"""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any, Final

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events import CommandId, Recorded, event_subject
from events.codec import decode
from events.protocol import task_state
from events.protocol.api.shares import SharedParts
from infra.log.jetstream.read.decode import HistoryDecoder, StoredMessage
from services.gateway.push.notification import state as notice
from services.gateway.queries.precedents import fold_requests
from services.gateway.queries.work_changes import Snapshots, fold_snapshots
from services.gateway.tasks import task, time_travel
from services.gateway.tasks.share_redaction import encoded, redacted
from services.projector.history.store import _microseconds
from services.projector.projections import TABLES
from services.projector.projections.fold import Fold
from services.projector.projections.table import acceptable
from services.scheduler.fleet import state as fleets
from services.scheduler.fleet.outcome import (
    MachineGone,
    MachineReady,
    MachineUnavailable,
    conclude,
    orphan_machine,
)
from services.scheduler.fleet.plan import _judge, _moments, plan, to_watch, wake_at
from services.scheduler.fleet.state import Fleet
from services.worker.agent.evolve import evolve
from services.worker.agent.messages import build_messages
from services.worker.agent.next_step import next_step, parallel_snapshot
from services.worker.agent.state import AgentState, Attempt
from tests.fuzz.odd_histories import EVENTS_PER_HISTORY, beginning, odd_histories, spell
from tests.kit.build.any_event import HISTORY
from tests.kit.laws.reference_fold import read_models_of
from tests.scheduler.history import POLICY

EVENTS: Final = int(os.environ.get("EVENTS", "1500"))
NOW: Final = datetime(2026, 6, 1, tzinfo=UTC)
MOMENTS: Final = (NOW, NOW + timedelta(days=1), datetime(2100, 6, 1, tzinfo=UTC))

fuzzed = settings(
    max_examples=max(1, EVENTS // EVENTS_PER_HISTORY),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


class Everything:
    """Takes every event for proven: a fold must be total over what any writer can say."""

    def objection(self, subject: str, recorded: Recorded, headers: bytes) -> str:
        return ""


def admitted(events: Sequence[Any]) -> list[Recorded]:
    """Return the history's events that a reader finds in these bytes; all else is left out."""
    sieve = HistoryDecoder(event_subject(HISTORY), proofs=Everything())
    found = [sieve.admit(StoredMessage(1, beginning()))]
    for sequence, event in enumerate(events, 2):
        found.append(sieve.admit(StoredMessage(sequence, spell(event, sieve.version + 1))))
    return [recorded for recorded in found if recorded is not None]


@fuzzed
@given(odd_histories)
def test_the_state_that_people_see(events: Sequence[Any]) -> None:
    history = admitted(events)
    state = None
    for recorded in history:
        state = task_state.evolve(state, recorded)
        assert state is None or not state.is_quarantined
        msgspec.json.encode(state)
    for at in (None, 1, history[-1].version, NOW):
        if state is not None:
            time_travel.as_it_was(history, at)


@fuzzed
@given(odd_histories)
def test_what_the_gateway_needs_to_answer_a_command(events: Sequence[Any]) -> None:
    folded = reduce(task.evolve, admitted(events), task.NO_TASK)

    if folded.end != "erased":
        task.decide(task.Cancel(), folded, cause=CommandId("another"))


@fuzzed
@given(odd_histories)
def test_what_is_shown_on_a_lock_screen(events: Sequence[Any]) -> None:
    history = admitted(events)

    notice.fold_history(history)
    for recorded in history:
        notice.concerns(recorded)


@fuzzed
@given(odd_histories)
def test_the_read_models(events: Sequence[Any]) -> None:
    history = admitted(events)
    fold = Fold(TABLES)
    for place in range(0, len(history), 7):
        fold.take(history[place : place + 7])
        for write in fold.drain().writes:
            for row in acceptable(write).rows:
                for value in row:
                    if isinstance(value, datetime):
                        _microseconds(value)
                    if isinstance(value, str):
                        assert "\x00" not in value
                        value.encode()
    assert not fold.quarantined
    read_models_of(history)


@fuzzed
@given(odd_histories)
def test_the_fleet_and_its_plan(events: Sequence[Any]) -> None:
    fleet = Fleet(watching_since=NOW)
    for recorded in admitted(events):
        fleet = fleets.evolve(fleet, [recorded], heard_at=NOW)
        assert not fleet.quarantined
        for now in MOMENTS:
            for name in fleet.active:
                _judge(fleet, fleet.tasks[name], now, POLICY)
                assert all(moment.tzinfo for moment in _moments(fleet, fleet.tasks[name], POLICY))
            plan(fleet, now, POLICY)
            wake_at(fleet, now, POLICY)
        list(to_watch(fleet))
        for known in fleet.tasks.values():
            number = known.attempt.number if known.attempt else 1
            for outcome in (
                MachineReady(number, "m", "r", 1.0),
                MachineUnavailable(number, "r", "d"),
                MachineGone(number, "silent", "m", 1.0, "d"),
                MachineGone(number, "silent", "", 0.0, "d"),
            ):
                conclude(outcome, known, NOW, POLICY)
                orphan_machine(outcome, known)


@fuzzed
@given(odd_histories, st.integers(1, 3))
def test_the_worker_and_what_it_tells_the_model(events: Sequence[Any], number: int) -> None:
    history = admitted(events)
    turn = AgentState(attempt=Attempt(number=number))
    for recorded in history:
        turn = evolve(turn, recorded)
        for now in MOMENTS:
            next_step(turn, now)
            parallel_snapshot(turn, now)
    msgspec.json.encode(build_messages(history))


@fuzzed
@given(odd_histories)
def test_what_the_gateway_answers_about_requests_and_the_work(events: Sequence[Any]) -> None:
    history = admitted(events)
    for place in range(0, len(history), 5):
        fold_snapshots(Snapshots(), history[place : place + 5])
        fold_requests({}, history[place : place + 5])


@fuzzed
@given(odd_histories)
def test_what_a_link_shows(events: Sequence[Any]) -> None:
    history = admitted(events)
    for parts in (SharedParts(commands=False), SharedParts(outputs=True, diffs=True, costs=True)):
        state = None
        for recorded in history:
            shown = redacted(recorded, parts)
            assert decode(HISTORY, 1, encoded(shown)).event == shown.event
            state = task_state.evolve(state, shown)
        msgspec.json.encode(state)
