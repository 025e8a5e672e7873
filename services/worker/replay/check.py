"""Check of a recorded history: at which event today's worker would take another step.

The history is folded attempt by attempt. Before each batch of events that a worker wrote, the step
that is due is asked for again and compared with what was recorded: its facts where the step alone
decides them, else their kind and whom they answer. What the world gave (replies, outputs, diffs) is
taken from the history. Nothing runs. The first difference ends the check, as all that follows rests
on it. A prompt is compared by its digests (`model.replied`), which older events do not have.
"""

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Final, get_args

import msgspec

from events import AttemptEnded, AttemptStarted, EgressDenied, ModelReplied, Recorded
from services.worker.agent.failures.outage import Outage
from services.worker.agent.failures.unreadable_history import evolve
from services.worker.agent.next_step import (
    mark_done,
    mark_merged,
    next_step,
    parallel_snapshot,
    request_stop,
)
from services.worker.agent.state import AgentState, Attempt, StopReason
from services.worker.agent.steps import OpenPullRequest, Step, TakeSnapshot
from services.worker.replay.explanations import explains, step_in_words
from services.worker.replay.prompts import Prompts

_OUTAGES: Final[tuple[Outage, ...]] = get_args(Outage)
_STOPS: Final[tuple[StopReason, ...]] = ("drained", "deadline", *_OUTAGES)
_Batch = Sequence[Recorded]


class Divergence(msgspec.Struct, frozen=True):
    """The first event that today's worker would not have written, and what it would have done."""

    version: int
    found: str
    expected: str


def first_divergence(history: Sequence[Recorded]) -> Divergence | None:
    """Return where the history and today's worker part; None when they do not.

    `history` begins at version 1, without gaps; the blocks of every reply are in its event. Raises
    ValueError where they are not.
    """
    for place, recorded in enumerate(history, 1):
        if recorded.version != place:
            raise ValueError(f"version {place} is missing")
        if isinstance(reply := recorded.event, ModelReplied) and reply.blob and not reply.blocks:
            raise ValueError(f"the blocks of the reply at version {place} are missing")
    found = (_divergence_of(attempt, history) for attempt in _attempts(history))
    return min(filter(None, found), key=lambda each: each.version, default=None)


def _attempts(history: Sequence[Recorded]) -> Iterator[Attempt]:
    for recorded in history:
        if isinstance(begun := recorded.event, AttemptStarted):
            yield Attempt(
                number=begun.attempt,
                machine=begun.machine,
                build=begun.build,
                sandbox=begun.sandbox,
            )


def _divergence_of(attempt: Attempt, history: Sequence[Recorded]) -> Divergence | None:
    """Fold the history as one attempt did, and check all that it wrote."""
    state, prompts, at = AgentState(attempt=attempt), Prompts(), 0
    ends = (each.event for each in history if isinstance(each.event, AttemptEnded))
    end = next((each for each in ends if each.attempt == attempt.number), None)
    while at < len(history):
        batch = _batch(history, at)
        is_step = not isinstance(batch[0].event, EgressDenied)  # a report beside the steps
        if is_step and batch[0].by == f"worker:{attempt.number}":
            found = _compare(state, batch, end) or _compare_prompt(prompts, batch)
            if found is not None:
                return found
        for recorded in batch:
            prompts.add(recorded, state)
            state = evolve(state, recorded)
        at += len(batch)
    return None


def _batch(history: Sequence[Recorded], at: int) -> _Batch:
    """Return what was appended together: the same writer, and the same event that caused it."""
    first = history[at]
    if not first.by.startswith("worker:"):
        return [first]
    return list(
        takewhile(lambda each: (each.by, each.cause) == (first.by, first.cause), history[at:])
    )


def _compare(state: AgentState, batch: _Batch, end: AttemptEnded | None) -> Divergence | None:
    is_margin = isinstance(batch[0].event, (AttemptStarted, AttemptEnded))
    if is_margin and end is not None and end.reason in _OUTAGES:
        return None  # it may have left because it could not read what it took over
    for variant in _variants(state, end.detail if end else ""):
        if any(explains(step, variant, batch) for step in _steps(variant, batch)):
            return None
    due = next(_steps(state, batch))
    found = ", ".join(str(each.event.__struct_config__.tag) for each in batch)
    return Divergence(batch[0].version, found, step_in_words(due))


def _compare_prompt(prompts: Prompts, batch: _Batch) -> Divergence | None:
    for recorded in batch:
        reply = recorded.event
        if isinstance(reply, ModelReplied) and (part := prompts.changed_part(reply)):
            found = f"model.replied of turn {reply.turn}"
            return Divergence(recorded.version, found, f"ask the model with {part}")
    return None


def _steps(state: AgentState, batch: _Batch) -> Iterator[Step]:
    now = batch[-1].at
    yield next_step(state, now)
    if (snapshot := parallel_snapshot(state, now)) is not None:
        yield snapshot


def _variants(state: AgentState, detail: str) -> Iterator[AgentState]:
    """Yield the state, and what else it may have been: a process knows some things by itself.

    A process may have been asked to stop, found nothing to keep, no pull requests at the forge, or
    nothing to merge.
    """
    known = [state, mark_done(state, TakeSnapshot())]
    known += [mark_done(each, OpenPullRequest("", "", "", "")) for each in known]
    known += [mark_merged(each) for each in known]
    yield from known
    for reason in _STOPS:
        for each in known:
            yield request_stop(each, reason, detail)
