"""The reference for the read models, written to be plain and not to be fast.

One event at a time, one dictionary per row, no batches, no database; it shares the projections with
the projector and nothing of how they are applied.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from events import Recorded, TaskErased
from events.codec import tag_of
from events.protocol.task_state import evolve
from services.projector.projections import PROJECTIONS, TABLES, task
from services.projector.projections.table import Row


def read_models_of(log: Iterable[Recorded]) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """Every row of every model by table, in the order of its key, of this prefix of a log."""
    tables: dict[str, dict[Any, dict[str, Any]]] = {table.name: {} for table in TABLES}
    states: dict[str, Any] = {}
    for recorded in log:
        if isinstance(recorded.event, TaskErased):
            states[recorded.task] = None
            for rows in tables.values():
                for key in [key for key, row in rows.items() if row["task"] == recorded.task]:
                    del rows[key]
        state = states[recorded.task] = evolve(states.get(recorded.task), recorded)
        made = [row for project in PROJECTIONS for row in project(recorded)]
        if state is not None:
            made.append(task.row(state))
        for row in made:
            _put(tables, row)
        tables["event"][recorded.sequence,] = {
            "sequence": recorded.sequence,
            "task": recorded.task,
            "version": recorded.version,
            "type": tag_of(recorded.event),
            "at": recorded.at,
            "by": recorded.by,
        }
    return {name: [rows[key] for key in sorted(rows)] for name, rows in tables.items()}


def _put(tables: Mapping[str, dict[Any, dict[str, Any]]], row: Row) -> None:
    key = tuple(row.values[column] for column in row.table.key)
    present = tables[row.table.name].setdefault(key, dict.fromkeys(row.table.columns))
    present.update(row.values)
