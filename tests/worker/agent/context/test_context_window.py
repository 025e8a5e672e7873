"""The model's context window: when a conversation is compacted, and when that is of no use."""

import msgspec
import pytest

from events import ContextCompacted, ModelFailed, TaskInstructed, Usage
from services.worker.agent.context.window import ContextUse, is_nearly_full, window_tokens
from services.worker.agent.next_step import (
    CompactContext,
    Push,
    Record,
    StoreDiff,
    TakeSnapshot,
    next_step,
    parallel_snapshot,
)
from tests.kit.build.worker_history import (
    ASKED,
    BASH,
    NOW,
    READY,
    SNAPSHOT,
    SUBMITTED,
    began,
    diff_stored,
    ended,
    folded,
    history,
    replied,
    requested,
    started,
)

FULL = ModelFailed(turn=2, kind="context_full", detail="prompt is too long")
BY_MODEL = CompactContext(2, "claude-sonnet-5-5", "", "model")
BY_WORKER = CompactContext(2, "claude-sonnet-5-5", "", "worker")


def counted(reply, input_tokens):
    return msgspec.structs.replace(reply, usage=Usage(input_tokens=input_tokens, output_tokens=1))


def compacted(writer="model", tokens_after=5_000, cost=7):
    return ContextCompacted(
        turn=2,
        through=6,
        summary="so far",
        tokens_before=500_000,
        tokens_after=tokens_after,
        writer=writer,
        cost_microusd=cost,
    )


LONG = (*ASKED, counted(replied(BASH), 500_000), began("b"), ended("b"))


def due(*events, attempt=1):
    return next_step(folded(history(*events), attempt), NOW)


def is_asking(step):
    return isinstance(step, Record) and step.facts[0].__struct_config__.tag == "model.requested"


def test_a_long_conversation_is_compacted_before_the_next_turn_and_only_once():
    assert due(*LONG) == BY_MODEL
    assert is_asking(due(*LONG, compacted()))


def test_a_summary_that_leaves_much_is_not_followed_by_another_at_once():
    assert is_asking(due(*LONG, compacted(tokens_after=450_000)))
    after = (*LONG, compacted(tokens_after=450_000), requested(2))
    kept = (*after, counted(replied(BASH, turn=2), 500_000), began("b"), ended("b"), requested(3))
    assert is_asking(due(*kept[:-1]))
    little = (counted(replied(BASH, turn=3), 600_000), began("b"), ended("b"))
    assert is_asking(due(*kept, *little))
    much = (counted(replied(BASH, turn=3), 800_000), began("b"), ended("b"))
    assert due(*kept, *much) == msgspec.structs.replace(BY_MODEL, turn=4)


def test_a_call_under_way_ends_before_the_conversation_is_compacted():
    assert not isinstance(due(*LONG[:-1]), CompactContext)


def test_a_snapshot_is_taken_beside_a_summary():
    assert parallel_snapshot(folded(history(*LONG)), NOW) == TakeSnapshot()


def test_what_came_since_the_last_count_is_estimated():
    short = (*ASKED, counted(replied(BASH), 300_000), began("b"))
    assert is_asking(due(*short, ended("b", "x" * 1_000)))
    assert due(*short, ended("b", "x" * 330_000)) == BY_MODEL


def test_a_server_that_counts_no_tokens_leaves_it_to_the_estimate():
    turns = []
    for number in range(1, 40):
        name = f"c{number}"
        turns += [requested(number), replied((name, "read", {"path": name}), turn=number)]
        turns += [began(name, "read"), ended(name, "x" * 60_000)]
    assert due(*READY, *turns) == msgspec.structs.replace(BY_MODEL, turn=40)


def test_a_small_model_is_compacted_earlier():
    use = ContextUse(tokens=170_000)
    assert is_nearly_full(use, "claude-haiku-4-5")
    assert not is_nearly_full(use, "claude-sonnet-5-5")
    assert is_nearly_full(use, "local/llama")


def test_the_next_attempt_compacts_what_the_one_before_did_not():
    assert due(*LONG, started(2), READY[2], attempt=2) == BY_MODEL


def test_a_summary_that_fails_is_asked_for_again_when_the_provider_is_back():
    later = ModelFailed(turn=2, kind="overloaded", detail="busy", retry_at=NOW)
    assert due(*LONG, later) == BY_MODEL


def test_a_conversation_that_the_model_refuses_is_compacted_without_it():
    asked = (*ASKED, counted(replied(BASH), 90_000), began("b"), ended("b"), requested(2))
    assert due(*asked, FULL) == BY_WORKER
    assert is_asking(due(*asked, FULL, compacted("worker")))
    assert due(*LONG, FULL) == BY_WORKER  # the request for a summary was too long itself


def test_a_reply_that_reached_the_end_of_the_window_is_no_end_of_the_task():
    cut = counted(replied(text="…", stop="model_context_window_exceeded"), 90_000)
    assert due(*ASKED, cut) == BY_WORKER
    assert is_asking(due(*ASKED, cut, compacted("worker")))


def test_what_the_provider_refused_shows_how_large_its_window_is():
    asked = (*ASKED, counted(replied(BASH), 90_000), began("b"), ended("b"), requested(2))
    use = folded(history(*asked, FULL, compacted("worker"))).context
    assert window_tokens(use, "claude-sonnet-5-5") == 90_001


@pytest.mark.parametrize("is_changed", [True, False])
def test_a_conversation_that_does_not_fit_even_compacted_ends_with_its_work_pushed(is_changed):
    asked = (*ASKED, counted(replied(BASH), 90_000), began("b"), ended("b"), requested(2))
    again = (*asked, FULL, compacted("worker"), requested(2), FULL)
    assert due(*again) == TakeSnapshot()
    saved = (*again, SNAPSHOT)
    assert due(*saved) == StoreDiff()
    step = due(*saved, diff_stored(5 if is_changed else 0))
    if is_changed:
        assert isinstance(step, Push)
    else:
        assert step.facts[0].reason == "context_full"


def test_a_word_of_the_person_gives_it_another_try():
    asked = (*ASKED, counted(replied(BASH), 90_000), requested(2), FULL, compacted("worker"))
    use = folded(history(*asked, requested(2), FULL, TaskInstructed(text="go on"))).context
    assert use.overflows == 0


def test_a_first_prompt_that_is_too_long_cannot_be_compacted():
    assert due(*ASKED, FULL).facts[0].reason == "context_full"


def test_a_summary_counts_against_the_budget_and_is_no_turn():
    use = folded(history(*LONG, compacted())).budget
    assert (use.spent_microusd, use.turns) == (107, 1)


def test_the_prompt_and_its_images_count_from_the_beginning():
    assert folded(history(SUBMITTED)).context.added_bytes == len("fix it")
