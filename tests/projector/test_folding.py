"""Facts folded to changes: how they are batched makes no difference. No database."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from events import (
    AccountId,
    CallId,
    History,
    Recorded,
    Repository,
    TaskErased,
    TaskId,
    TaskSubmitted,
    ToolCompleted,
    ToolStarted,
)
from services.projector.projections import TABLES, task, tool_calls, usage
from services.projector.projections.fold import CACHED_TASKS, Changes, Fold
from tests.kit.build.any_event import any_fact, recorded, story

SUBMITTED = TaskSubmitted(prompt="Fix", repository=Repository("u"), model="m")
CALL = CallId("c1")


class Database:
    """The rows the store makes of changes, in dictionaries."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[Any, dict[str, Any]]] = {table.name: {} for table in TABLES}

    def apply(self, changes: Changes) -> None:
        for rows in self.tables.values():
            for key in [key for key, row in rows.items() if row["task"] in changes.erased]:
                del rows[key]
        for table, written in changes.writes:
            for values in written:
                row = dict(zip(table.columns, values, strict=True))
                key = tuple(row[column] for column in table.key)
                assert not (table.grows_only and key in self.tables[table.name])
                known = self.tables[table.name].setdefault(key, dict.fromkeys(table.columns))
                known.update({name: value for name, value in row.items() if value is not None})


def placed(told: Sequence[tuple[int, Any]]) -> list[Recorded]:
    """A log of these facts, each in the history of the task with that number."""
    versions: dict[int, int] = {}
    log = []
    for sequence, (number, fact) in enumerate(told, 1):
        versions[number] = versions.get(number, 0) + 1
        history = History(AccountId("acc_1"), TaskId(f"task_{number}"))
        event = recorded(fact, versions[number], history=history)
        log.append(_at(event, sequence))
    return log


def _at(event: Recorded, sequence: int) -> Recorded:
    return replace(event, sequence=sequence)


def folded(log: Sequence[Recorded], sizes: Sequence[int]) -> Database:
    fold, database, left = Fold(TABLES), Database(), list(log)
    for size in [*sizes, len(log)]:
        if batch := left[:size]:
            fold.learn(fold.missing(batch), {})
            fold.take(batch)
            changes = fold.drain()
            assert (changes.after, changes.events) == (batch[-1].sequence, len(batch))
            database.apply(changes)
            left = left[size:]
    return database


calls = st.sampled_from([CallId("a"), CallId("b")])
some_facts = st.one_of(
    any_fact,
    st.builds(ToolStarted, call=calls, tool=st.just("t"), title=st.text("xy", max_size=3)),
    st.builds(ToolCompleted, call=calls, output=st.text("xy", max_size=3)),
    st.just(SUBMITTED),
    st.just(TaskErased(reason="asked")),
)
logs = st.lists(st.tuples(st.integers(0, 2), some_facts), max_size=14).map(placed)


@given(logs, st.lists(st.integers(1, 5), max_size=8))
def test_the_batches_make_no_difference(log: list[Recorded], sizes: list[int]) -> None:
    assert folded(log, sizes).tables == folded(log, [1] * len(log)).tables


def test_a_call_that_begins_and_ends_in_a_batch_is_one_row() -> None:
    fold = Fold(TABLES)
    fold.take(
        story(
            SUBMITTED,
            ToolStarted(call=CALL, tool="t", title="x"),
            ToolCompleted(call=CALL, output="y"),
        )
    )

    [write] = [write for write in fold.drain().writes if write.table is tool_calls.TOOL_CALL]

    [row] = write.rows
    values = dict(zip(write.table.columns, row, strict=True))
    assert (values["title"], values["output"], values["interrupted"]) == ("x", "y", None)


def test_a_drained_fold_holds_nothing() -> None:
    fold = Fold(TABLES)
    fold.take(story(SUBMITTED))
    assert fold.count == 1
    assert fold.size_bytes > 0
    fold.drain()
    assert (fold.count, fold.size_bytes) == (0, 0)
    assert fold.drain().writes == []


def test_only_the_states_of_unknown_tasks_are_missing() -> None:
    fold = Fold(TABLES)
    first, second, third = placed([(0, SUBMITTED), (0, SUBMITTED), (1, SUBMITTED)])

    assert list(fold.missing([first, second])) == []
    assert list(fold.missing([second])) == [second.task]
    fold.learn([second.task], {})
    assert list(fold.missing([second, third])) == []


def test_some_tables_alone_need_no_states() -> None:
    fold = Fold([usage.USAGE])
    [_, second] = placed([(0, SUBMITTED), (0, SUBMITTED)])

    assert list(fold.missing([second])) == []
    fold.take([second])
    assert fold.drain().writes == []


def test_the_states_at_hand_are_bounded() -> None:
    fold = Fold([task.TASK])
    fold.learn([TaskId(f"task_{number}") for number in range(CACHED_TASKS + 10)], {})
    fold.drain()
    assert len(fold._states) == CACHED_TASKS
