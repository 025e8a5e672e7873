"""A task as it was: the fold to a version or a time, over HTTP and as a pure function."""

from datetime import timedelta
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import (
    ModelReplied,
    PlanItem,
    PlanUpdated,
    Repository,
    TaskErased,
    TaskFinished,
    TaskSubmitted,
    Usage,
)
from events.protocol.task_state import evolve
from services.gateway.problems import Refused
from services.gateway.tasks.time_travel import as_it_was
from tests.gateway.kit.problems import is_problem
from tests.kit.build.any_event import BEGINNING, any_fact, recorded, story

PLAN = PlanUpdated(items=(PlanItem("look", "active"),))
REPLY = ModelReplied(
    turn=1,
    stop_reason="end_turn",
    usage=Usage(input_tokens=1),
    cost_microusd=70,
    blocks=({"type": "text", "text": "I shall look."}, {"type": "tool_use", "id": "x"}),
)
DONE = TaskFinished(summary="Done.", outcome="no_changes")


async def state(person, task, at=""):
    return await person.http.get(f"/v1/tasks/{task}/state", params={"at": at} if at else {})


async def test_a_task_is_shown_as_it_was_at_every_version(ada, world):
    task = await ada.submit("fix it")
    await world.append(ada.history(task), PLAN, REPLY, DONE)

    early = (await state(ada, task, "1")).json()
    assert (early["state"]["phase"], early["state"]["plan"], early["head"]) == ("queued", [], 4)
    assert [(m["role"], m["text"]) for m in early["conversation"]] == [("person", "fix it")]

    middle = (await state(ada, task, "3")).json()
    assert middle["state"]["plan"] == [{"text": "look", "state": "active"}]
    assert (middle["state"]["cost_microusd"], middle["state"]["version"]) == (70, 3)
    assert middle["conversation"][-1]["text"] == "I shall look."

    now = (await state(ada, task)).json()
    assert (now["state"]["phase"], now["state"]["version"]) == ("finished", 4)
    assert [m["role"] for m in now["conversation"]] == ["person", "agent", "summary"]
    assert now["state"] == (await ada.http.get(f"/v1/tasks/{task}?wait_version=4")).json()


async def test_a_time_shows_what_stood_then(ada, world):
    task = await ada.submit()
    await world.append(ada.history(task), PLAN)
    first, second = await world.log.read(ada.history(task))
    at_first = await state(ada, task, first.at.isoformat())
    assert at_first.json()["state"]["version"] == 1
    later = await state(ada, task, (second.at + timedelta(days=1)).isoformat())
    assert later.json()["state"]["version"] == 2
    before = await state(ada, task, (first.at - timedelta(seconds=1)).isoformat())
    is_problem(before, 422, "at_too_early")


async def test_what_cannot_be_shown_is_refused_with_the_reason(ada, bob):
    task = await ada.submit()
    is_problem(await state(ada, task, "2"), 422, "at_too_late")
    for nonsense in ("0", "-1", "yesterday", "2026-01-01T00:00:00", "²"):
        is_problem(await state(ada, task, nonsense), 422, "at_invalid")
    is_problem(await state(bob, task, "1"), 404, "not_found")
    is_problem(await state(ada, "task_" + "a" * 26, "1"), 404, "not_found")
    is_problem(await state(ada, "nonsense", "1"), 404, "not_found")


async def test_it_stands_in_the_description_of_the_api(ada):
    described = (await ada.http.get("/docs/openapi.json")).json()
    [parameter] = [
        p
        for p in described["paths"]["/v1/tasks/{task}/state"]["get"]["parameters"]
        if p["in"] == "query"
    ]
    assert parameter["name"] == "at"
    assert not parameter["required"]


SUBMITTED = TaskSubmitted(prompt="p", repository=Repository("https://f/o/r.git"), model="m")
facts = any_fact.filter(lambda fact: not isinstance(fact, TaskErased))
lives = st.lists(facts, max_size=8).map(lambda told: story(SUBMITTED, *told))


@given(lives)
def test_the_state_at_any_version_is_the_fold_to_it(history):
    for version in range(1, len(history) + 1):
        past = as_it_was(history, version)
        assert past.state == reduce(evolve, history[:version], None)
        assert past.head == len(history)
        assert all(message.version <= version for message in past.conversation)


@given(lives, st.integers(0, 8))
def test_a_time_between_two_events_is_the_fold_to_the_first(history, seconds):
    at = BEGINNING + timedelta(seconds=seconds, milliseconds=500)
    if seconds == 0:
        with pytest.raises(Refused):
            as_it_was(history, at)
    else:
        assert as_it_was(history, at) == as_it_was(history, min(seconds, len(history)))


def test_a_clock_that_is_ahead_does_not_hide_what_follows():
    ahead = recorded(PLAN, 2, at=BEGINNING + timedelta(hours=1))
    history = [recorded(SUBMITTED, 1), ahead, recorded(DONE, 3)]
    assert as_it_was(history, BEGINNING + timedelta(seconds=10)).state.version == 3


def test_an_erased_task_has_no_past():
    erased = TaskErased(reason="asked")
    assert as_it_was(story(SUBMITTED, PLAN, DONE, erased), 1) is None
    assert as_it_was([recorded(erased, 4)], None) is None


def test_a_history_of_no_task_has_no_past():
    assert as_it_was([], None) is None
    assert as_it_was(story(PLAN, DONE), 1) is None
