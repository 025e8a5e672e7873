"""Folds facts to changes of the read models: one row per key, however many facts changed it. Pure.

The law of the projector: what a `Fold` holds is the same whether its facts came one by one or all
at once, so the read models are a function of the log's prefix and of nothing else.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from events import Recorded, TaskErased, TaskId
from events.protocol.quarantine import Broken, Quarantined, attempt
from events.protocol.task_state import TaskState, evolve
from infra.stores.lru import LruMap
from services.projector.projections import PROJECTED, event, task
from services.projector.projections.table import Row, Table, Write

CACHED_TASKS: Final = 50_000
"""States cached: more than the events that may be ahead of the database, so that a state
which is read from there has nothing of its own still on the way."""

_Values = Sequence[object]


class Changes(NamedTuple):
    """The changes of the read models up to and with the sequence `after`.

    What is of the `erased` tasks goes first, then the rows are written.
    """

    after: int
    events: int
    erased: Collection[TaskId]
    writes: Sequence[Write]


class Fold:
    """Facts taken and not yet drained, and the state of each task met lately.

    `quarantined`: events at which a projection broke, for the writer to quarantine their tasks.
    """

    def __init__(self, tables: Collection[Table]) -> None:
        self._tables = tables
        self._columns = {table.name: table.columns for table in tables}
        self._key_of = {table.name: _picker(table.key) for table in tables}
        self._row_of = {table.name: _picker(table.columns) for table in tables if table.grows_only}
        self._states: LruMap[TaskId, TaskState | None] = LruMap(CACHED_TASKS)
        self.quarantined: list[Quarantined] = []
        self._begin()

    def missing(self, events: Iterable[Recorded]) -> Collection[TaskId]:
        """Return the tasks whose state must be loaded before these events can be added."""
        if task.TASK.name not in self._merged:
            return ()
        wanted: dict[TaskId, int] = {}
        for recorded in events:
            if recorded.task not in self._states:
                wanted.setdefault(recorded.task, recorded.version)
        return [name for name, version in wanted.items() if version > 1]

    def learn(self, tasks: Iterable[TaskId], states: Mapping[TaskId, TaskState]) -> None:
        """Store the states as the database has them; a task that is not there has none."""
        for name in tasks:
            self._states[name] = states.get(name)

    def take(self, events: Sequence[Recorded]) -> None:
        """Fold these events, the next of the log, onto what is held."""
        places = self._grown.get(event.EVENT.name)
        states = self._states if task.TASK.name in self._merged else None
        projected, put = PROJECTED, self._put
        for recorded in events:
            kind, name = type(recorded.event), recorded.task
            if kind is TaskErased:
                self._erase(name)
            if places is not None:
                places.append(event.values(recorded))
            for project in projected.get(kind, ()):
                rows = attempt(project, recorded)
                if isinstance(rows, Broken):
                    self.quarantined.append(Quarantined(recorded, rows.reason))
                    continue
                for row in rows:
                    put(row)
            if states is not None:
                before = states.get(name)
                state = states[name] = evolve(before, recorded)
                self._touched.add(name)
                if state is not None and state.is_quarantined and before is not None:
                    self._note(before, state, recorded)
        if events:
            self.after = events[-1].sequence
            self.count += len(events)
            self.size_bytes += sum([len(recorded.body) for recorded in events])

    def _note(self, before: TaskState, state: TaskState, recorded: Recorded) -> None:
        """Record a task whose state could not be folded any further at this event."""
        if not before.is_quarantined:
            reason = state.failure.detail if state.failure else ""
            self.quarantined.append(Quarantined(recorded, reason))

    def drain(self) -> Changes:
        """Return the changes held, and hold nothing."""
        for name in self._touched:
            self._states.touch(name)
            if (state := self._states[name]) is not None:
                self._put(task.row(state))
        writes = [
            Write(table, rows) for table in self._tables if (rows := self._rows_of(table.name))
        ]
        changes = Changes(self.after, self.count, self._erased, writes)
        self._states.evict()
        self._begin()
        return changes

    def _begin(self) -> None:
        # By the tables' names: a table is a long tuple, and this is looked up for every row.
        self._grown: dict[str, list[_Values]] = {t.name: [] for t in self._tables if t.grows_only}
        self._merged: dict[str, dict[_Values, dict[str, object]]] = {
            table.name: {} for table in self._tables if not table.grows_only
        }
        self._touched: set[TaskId] = set()
        self._erased: set[TaskId] = set()
        self.after = self.count = self.size_bytes = 0

    def _rows_of(self, table: str) -> Sequence[_Values]:
        if table in self._grown:
            return self._grown[table]
        columns = self._columns[table]
        return [list(map(values.get, columns)) for values in self._merged[table].values()]

    def _put(self, row: Row) -> None:
        name, values = row.table.name, row.values
        if (rows := self._grown.get(name)) is not None:
            rows.append(self._row_of[name](values))
        elif (merged := self._merged.get(name)) is not None:
            place = self._key_of[name](values)
            known = merged.get(place)
            if known is None:
                merged[place] = dict(values)
            else:
                known.update(values)

    def _erase(self, name: TaskId) -> None:
        """Forget all that is held of a task; what the database has of it goes with the drain."""
        self._erased.add(name)
        self._states[name] = None
        for table, rows in self._grown.items():
            at = self._columns[table].index("task")
            rows[:] = [row for row in rows if row[at] != name]
        for merged in self._merged.values():
            for key in [key for key, row in merged.items() if row["task"] == name]:
                del merged[key]


def _picker(columns: Sequence[str]) -> Callable[[Mapping[str, object]], tuple[object, ...]]:
    """Return what picks these columns out of a row: half the time of a comprehension."""
    if len(columns) == 1:
        only = columns[0]
        return lambda values: (values[only],)
    return itemgetter(*columns)
