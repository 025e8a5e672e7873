"""A task's history, folded event by event into where it stands. Pure."""

from datetime import datetime
from types import MappingProxyType

from msgspec.structs import replace

from events import (
    ApprovalAnswered,
    ApprovalRequested,
    ArtifactStored,
    AttemptEnded,
    AttemptStarted,
    BranchPushed,
    BudgetExhausted,
    BudgetRaised,
    GatewayEvent,
    MachineDestroyed,
    MachineLost,
    MachineRefused,
    MachineRequested,
    MachineStarted,
    ModelFailed,
    ModelReplied,
    ModelRequested,
    PullRequestOpened,
    QuestionAnswered,
    QuestionAsked,
    Recorded,
    SchedulerEvent,
    SnapshotTaken,
    TaskAbandoned,
    TaskArchived,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TaskInstructed,
    TaskInterrupted,
    TaskSubmitted,
    ToolCompleted,
    ToolInterrupted,
    ToolStarted,
    WorkerEvent,
    WorkspacePrepared,
)
from services.worker.agent.approvals import policy
from services.worker.agent.budget import allow, pay, raise_limit, try_again, wait
from services.worker.agent.state import DIFF_NAME, Delivery, Reply, Turn
from services.worker.agent.tool_calls import (
    MUTATING,
    WHOLE,
    calls_of,
    submission_in,
    text_of,
    wants_more,
)


def evolve(turn: Turn, recorded: Recorded) -> Turn:
    """Apply one event. The caller sees to it that versions follow one another."""
    event = recorded.event
    if turn.at is not None and turn.is_for_a_person:
        seconds = (recorded.at - turn.at).total_seconds()
        turn = replace(turn, allowance=wait(turn.allowance, max(0.0, seconds)))
    turn = replace(turn, task=recorded.task, head=recorded.head, last=recorded.id, at=recorded.at)
    if isinstance(event, GatewayEvent):
        return _asked(turn, event)
    if isinstance(event, SchedulerEvent):
        return _staffed(turn, event)
    if isinstance(event, WorkerEvent):
        return _worked(turn, event, recorded.at)
    return replace(turn, is_closed=True, is_fenced=True)


def _asked(turn: Turn, event: GatewayEvent) -> Turn:
    match event:
        case TaskSubmitted():
            return replace(turn, submitted=event, allowance=allow(event.budget))
        case TaskInstructed(mode=mode):
            return replace(
                turn,
                unread_steers=turn.unread_steers + (mode == "steer"),
                unread_queued=turn.unread_queued + (mode == "queue"),
                is_closed=False,
                is_interrupted=False,
                failure=None,
                failures=0,
                failing_since=None,
                nudges=0,
                fruitless=0,
                allowance=try_again(turn.allowance),
                consents=policy.instructed(turn.consents),
            )
        case QuestionAnswered():
            return replace(turn, answer=event, fruitless=0)
        case ApprovalAnswered():
            return replace(turn, consents=policy.answered(turn.consents, event), fruitless=0)
        case BudgetRaised():
            return replace(turn, allowance=raise_limit(turn.allowance, event))
        case TaskInterrupted():
            return (
                turn
                if turn.is_closed
                else _dropped(replace(turn, is_interrupted=True), "interrupted")
            )
        case TaskCancelled():
            return _closed(turn, "cancelled")
        case TaskArchived():
            return turn


def _staffed(turn: Turn, event: SchedulerEvent) -> Turn:
    mine = turn.attempt.number
    match event:
        case MachineRequested(attempt=attempt):
            return replace(turn, is_fenced=turn.is_fenced or attempt > mine)
        case MachineLost(attempt=attempt) | MachineDestroyed(attempt=attempt):
            return replace(turn, is_fenced=turn.is_fenced or attempt == mine)
        case TaskAbandoned():
            return _closed(turn, "abandoned")
        case MachineStarted() | MachineRefused():
            return turn


def _worked(turn: Turn, event: WorkerEvent, at: datetime) -> Turn:
    match event:
        case AttemptStarted():
            return _taken_up(turn, event, at)
        case AttemptEnded(attempt=attempt):
            return replace(turn, has_left=turn.has_left or attempt == turn.attempt.number)
        case WorkspacePrepared():
            return replace(turn, workspace=event, is_prepared=True, unkept=())
        case SnapshotTaken():
            return replace(turn, snapshot=event, unkept=())
        case ModelRequested() | ModelReplied() | ModelFailed():
            return _talked(turn, event, at)
        case QuestionAsked():
            return replace(turn, question=event, unkept=())  # asked once the work is kept
        case ApprovalRequested():
            return replace(turn, consents=policy.asked(turn.consents, event), unkept=())
        case ToolStarted(call=call, tree=tree):
            return replace(
                turn,
                started=MappingProxyType({**turn.started, call: event}),
                orphaned=turn.orphaned - {call},
                unkept=() if tree else turn.unkept,
            )
        case ToolCompleted() | ToolInterrupted():
            return _ended(turn, event)
        case BudgetExhausted():
            allowance = replace(turn.allowance, exhausted=event)
            return replace(turn, is_asked=False, allowance=allowance)
        case ArtifactStored(name=name, blob=blob):
            is_diff = name == DIFF_NAME
            return replace(_delivered(turn, diff=blob), unkept=()) if is_diff else turn
        case BranchPushed():
            return _delivered(turn, pushed=event)
        case PullRequestOpened():
            return _delivered(turn, pull_request=event)
        case TaskFinished():
            return _closed(turn, "finished")
        case TaskFailed():
            return _closed(turn, "failed")
        case _:
            return turn


def _taken_up(turn: Turn, event: AttemptStarted, at: datetime) -> Turn:
    mine = turn.attempt.number
    started_at = turn.allowance.started_at or at
    return replace(
        turn,
        is_started=turn.is_started or event.attempt == mine,
        is_fenced=turn.is_fenced or event.attempt > mine,
        ending="",
        is_prepared=False,
        unkept=(),
        must_tell_model=turn.must_tell_model or bool(turn.undone),
        is_asked=False,
        orphaned=frozenset(turn.started),
        question=None,
        consents=policy.anew(turn.consents),
        allowance=replace(turn.allowance, started_at=started_at, exhausted=None),
    )


def _talked(turn: Turn, event: ModelRequested | ModelReplied | ModelFailed, at: datetime) -> Turn:
    match event:
        case ModelRequested():
            return replace(
                turn,
                is_asked=True,
                is_spoken_to=True,
                must_tell_model=False,
                unread_steers=0,
                unread_queued=0 if turn.is_over else turn.unread_queued,
                allowance=replace(turn.allowance, exhausted=None),
            )
        case ModelFailed():
            since = turn.failing_since or at
            return replace(
                turn,
                is_asked=False,
                failure=event,
                failures=turn.failures + 1,
                failing_since=since,
            )
        case ModelReplied():
            calls = calls_of(event.blocks) if event.stop_reason in WHOLE else ()
            text = text_of(event.blocks)
            is_unfinished = bool(calls) or wants_more(event.stop_reason, text)
            return replace(
                turn,
                number=event.turn,
                is_asked=False,
                failure=None,
                failures=0,
                failing_since=None,
                is_spoken_to=False,
                reply=Reply(turn.last, event.stop_reason, text, is_unfinished),
                nudges=turn.nudges + 1 if is_unfinished and not calls else 0,
                fruitless=turn.fruitless + 1,
                pending=calls,
                started=MappingProxyType({}),
                orphaned=frozenset(),
                dropped="",
                delivery=Delivery(),
                consents=policy.replied(turn.consents),
                allowance=pay(turn.allowance, event.cost_microusd),
            )


def _ended(turn: Turn, event: ToolCompleted | ToolInterrupted) -> Turn:
    ended = next((each for each in turn.pending if each.id == event.call), None)
    if ended is None:
        return turn
    is_accepted = isinstance(event, ToolCompleted) and not event.is_error
    is_cut_off = isinstance(event, ToolInterrupted) and ended.id in turn.started
    has_run = (ended.id in turn.started or is_accepted) and ended.id not in turn.orphaned
    is_answered = turn.question is not None and turn.question.call == ended.id
    is_changing = ended.name in MUTATING
    if is_accepted:
        turn = replace(turn, fruitless=0)
    turn = replace(
        turn,
        pending=tuple(each for each in turn.pending if each is not ended),
        started=MappingProxyType({c: e for c, e in turn.started.items() if c != ended.id}),
        orphaned=turn.orphaned - {ended.id},
        unkept=(*turn.unkept, turn.as_undone(ended)) if is_changing and has_run else turn.unkept,
        must_tell_model=turn.must_tell_model or (is_changing and is_cut_off),
        consents=policy.settled(turn.consents, ended.id),
        question=None if is_answered else turn.question,
        answer=None if is_answered else turn.answer,
    )
    work = submission_in(ended) if is_accepted else None
    return _delivered(turn, submitted=work) if work else turn


def _delivered(turn: Turn, **changes: object) -> Turn:
    return replace(turn, delivery=replace(turn.delivery, **changes))


def _dropped(turn: Turn, reason: str) -> Turn:
    """Give up what was under way: its calls are not run, an answer of the model is not awaited."""
    return replace(turn, is_asked=False, dropped=(turn.dropped or reason) if turn.pending else "")


def _closed(turn: Turn, ending: str) -> Turn:
    is_mine = turn.is_started and not turn.has_left
    turn = replace(turn, is_closed=True, ending=ending if is_mine else "")
    return _dropped(replace(turn, consents=policy.Consents()), ending)
