"""The fold of the web app against the gateway's: equal JSON at every version of every history."""

import json
import random
from functools import reduce
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events import (
    BudgetRaised,
    Recorded,
    Repository,
    TaskArchived,
    TaskCancelled,
    TaskErased,
    TaskInstructed,
    TaskSubmitted,
    codec,
)
from events.protocol import quarantine, task_state
from events.protocol.task_state import evolve
from tests.kit.build.any_event import HISTORY, any_fact, story, texts
from tests.kit.web_app.folds import assert_equal, fold_in_node, fold_states, golden_facts, stored
from tests.kit.web_app.node import WEB

RECORDED = sorted((WEB / "test" / "histories").glob("*.jsonl"))
SUBMITTED = TaskSubmitted(
    prompt="Fix the tests", repository=Repository("https://f/o/r.git"), model="m"
)
TIMES = (
    "2026-03-01T02:03:04Z",
    "2026-03-01T02:03:04.5Z",
    "2026-03-01T02:03:04.000000Z",
    "2026-03-01T02:03:04.123456+00:00",
    "2026-03-01t02:03:04z",
    "2026-03-01 02:03:04-00:00",
    "2026-03-01T02:03:04.250+05:30",
)
PROMPTS = (
    "",
    " \t\n",
    "\ufeff",
    "\u2028 two\u2029three",
    "\x1c\x1d\x1eunit\x1f",
    "a\x85b",
    "a\r\nb",
    "\u3000wide\u3000",
    "é" * 81,
    "🙂" * 80,
    "🙂" * 81,
    "x" * 79 + " y",
    "e\u0301" * 60,
)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_history_has_the_same_state_at_every_version(path: Path):
    assert_equal(stored(path.read_bytes().splitlines()))


def test_every_shape_that_was_ever_stored_changes_a_task_in_the_same_way():
    facts = golden_facts()
    submitted = next(fact for fact in facts if isinstance(fact, TaskSubmitted))
    lasting = [fact for fact in facts if not isinstance(fact, TaskErased)]
    shuffled = [random.Random(seed).sample(lasting, len(lasting)) for seed in range(20)]
    assert_equal(
        story(*facts),
        *(story(submitted, fact, fact) for fact in facts),
        *(story(submitted, *each) for each in shuffled),
    )


@pytest.mark.parametrize("prompt", PROMPTS, ids=ascii)
def test_a_title_is_made_of_the_same_characters(prompt: str):
    submitted = msgspec.structs.replace(SUBMITTED, prompt=prompt)
    assert_equal(story(submitted), story(msgspec.structs.replace(submitted, title="Given")))


@pytest.mark.parametrize("time", TIMES)
def test_a_time_is_written_the_same_however_it_was_stored(time: str):
    body = json.loads(story(SUBMITTED)[0].body) | {"at": time}
    assert_equal([codec.decode(HISTORY, 1, json.dumps(body).encode())])


def test_what_comes_again_or_was_never_begun_changes_nothing():
    whole = story(SUBMITTED, BudgetRaised(cost_microusd=5), TaskInstructed(text="go on"))
    assert_equal([*whole, *whole], whole[1:], [whole[0], whole[2], whole[1]])


def _aimed(fact: Any, place: int) -> Any:
    """Let some answers be of what was asked, and some changes of what was instructed."""
    fields = type(fact).__struct_fields__
    if "instruction" in fields:
        return msgspec.structs.replace(fact, instruction=place)
    return (
        msgspec.structs.replace(fact, request=f"req_{place % 2}") if "request" in fields else fact
    )


instructed = st.builds(TaskInstructed, text=texts, mode=st.sampled_from(["steer", "queue"]))
facts = st.builds(_aimed, any_fact | instructed, st.integers(2, 12))
begun = st.lists(facts, max_size=25).map(lambda told: story(SUBMITTED, *told))
headless = st.lists(facts, max_size=5).map(lambda told: story(*told))


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(begun | headless, min_size=20, max_size=60))
def test_no_history_can_tell_the_two_folds_apart(histories: list[list[Recorded]]):
    assert_equal(*histories)


def test_a_quarantined_task_stays_the_same_whatever_comes(monkeypatch: pytest.MonkeyPatch):
    def broken(*_: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr(task_state, "_CHANGES", {BudgetRaised: broken})
    whole = story(
        SUBMITTED,
        BudgetRaised(cost_microusd=5),
        TaskCancelled(),
        TaskArchived(),
        TaskInstructed(text="go on"),
        BudgetRaised(cost_microusd=5),
        TaskErased(reason="asked"),
    )
    at_quarantine = reduce(evolve, whole[:2], None)
    assert at_quarantine is not None
    assert at_quarantine.failure is not None
    assert at_quarantine.failure.reason == quarantine.REASON
    state = json.loads(msgspec.json.encode(at_quarantine))
    assert fold_in_node(whole[2:], state=state)[0] == fold_states(whole[2:], at_quarantine)
