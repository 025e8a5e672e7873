"""Cost and success per repository and day, folded from histories."""

from datetime import date, timedelta

import pyarrow.parquet as pq

from events import (
    AccountId,
    History,
    MachineDestroyed,
    MachineId,
    ModelReplied,
    PlanUpdated,
    PullRequestOpened,
    Repository,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TaskId,
    TaskSubmitted,
    Usage,
)
from events.codec import tag_of
from infra.operator.analytics.costs import TYPES, Costs, Key, Line, write
from tests.kit.build.any_event import BEGINNING, recorded

FIRST = BEGINNING.date()
DAY = timedelta(days=1)


def submitted(repository):
    return TaskSubmitted(prompt="p", repository=Repository(repository), model="m")


def replied(cost):
    usage = Usage(input_tokens=3, output_tokens=4, cache_read_input_tokens=5)
    return ModelReplied(turn=1, stop_reason="end_turn", usage=usage, cost_microusd=cost)


DESTROYED = MachineDestroyed(attempt=1, machine=MachineId("m1"), billed_seconds=1, cost_microusd=7)
OPENED = PullRequestOpened(number=1, url="u", title="t")
FINISHED = TaskFinished(summary="s", outcome="branch")
FAILED = TaskFailed(reason="r", detail="d", remedy="x")


def table(*told):
    """Costs of (task, day, fact) in order."""
    costs = Costs()
    for version, (task, day, fact) in enumerate(told, 1):
        history = History(AccountId("acc_1"), TaskId(task))
        at = BEGINNING + day * DAY + timedelta(hours=1)
        costs.take(recorded(fact, version, at=at, history=history))
    return costs.lines()


def test_costs_count_on_the_day_they_arise_and_ends_on_theirs():
    lines = table(
        ("one", 0, submitted("a")),
        ("one", 0, replied(100)),
        ("one", 1, replied(10)),
        ("one", 1, OPENED),
        ("one", 1, FINISHED),
        ("one", 1, DESTROYED),
    )
    assert lines == {
        Key("a", FIRST): Line(submitted=1, model_microusd=100, tokens=12),
        Key("a", FIRST + DAY): Line(
            finished=1, pull_requests=1, model_microusd=10, machine_microusd=7, tokens=12
        ),
    }


def test_repositories_stand_apart_and_success_is_a_part_of_what_ended():
    lines = table(
        ("one", 0, submitted("b")),
        ("two", 0, submitted("a")),
        ("three", 0, submitted("a")),
        ("four", 0, submitted("a")),
        ("two", 0, FINISHED),
        ("three", 0, FAILED),
        ("four", 0, TaskCancelled()),
    )
    assert [key.repository for key in lines] == ["a", "b"]
    assert lines[Key("a", FIRST)].success == 1 / 3
    assert lines[Key("b", FIRST)].success is None


def test_a_task_whose_submission_was_not_seen_counts_nowhere():
    assert table(("one", 0, replied(5)), ("one", 0, FINISHED)) == {}


def test_the_types_asked_for_are_those_that_count():
    counted = (submitted("a"), replied(1), DESTROYED, OPENED, FINISHED, FAILED, TaskCancelled())
    assert {tag_of(fact) for fact in counted} | {"task.abandoned"} == TYPES
    assert tag_of(PlanUpdated(items=())) not in TYPES


def test_the_table_is_written_as_parquet(tmp_path):
    write(tmp_path / "x", table(("one", 0, submitted("a")), ("one", 0, replied(9))))
    [row] = pq.read_table(tmp_path / "x").to_pylist()
    assert (row["repository"], row["day"]) == ("a", date(2026, 1, 1))
    assert (row["submitted"], row["model_microusd"]) == (1, 9)
