"""The read models: each module projects its facts to rows of its tables. Pure.

`task` is the one that folds: its row is the task's whole state (`fold` beside it).
`event` has a row for every fact.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from events import TaskEvent
from services.projector.projections import (
    approvals,
    deliveries,
    event,
    machines,
    messages,
    questions,
    snapshots,
    task,
    tool_calls,
    usage,
)
from services.projector.projections.table import Projection, Table

_MODULES: Final = (
    messages,
    tool_calls,
    usage,
    machines,
    deliveries,
    questions,
    approvals,
    snapshots,
)

PROJECTIONS: Final[Sequence[Projection]] = tuple(module.project for module in _MODULES)

PROJECTED: Final[Mapping[type[TaskEvent], Sequence[Projection]]] = MappingProxyType(
    {
        fact: tuple(module.project for module in _MODULES if fact in module.FACTS)
        for fact in {fact for module in _MODULES for fact in module.FACTS}
    }
)
"""The projections that each fact concerns; a fact that is not here concerns none."""

TABLES: Final[Sequence[Table]] = (
    task.TASK,
    event.EVENT,
    messages.MESSAGE,
    tool_calls.TOOL_CALL,
    usage.USAGE,
    machines.MACHINE,
    deliveries.PULL_REQUEST,
    deliveries.ARTIFACT,
    questions.QUESTION,
    approvals.APPROVAL,
    snapshots.SNAPSHOT,
)
