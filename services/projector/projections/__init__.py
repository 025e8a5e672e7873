"""The read models: each module projects a fact to rows of its tables. Pure.

`task` is the one that folds: its row is the task's whole state, kept by the loop that calls it.
"""

from services.projector.projections import deliveries, machines, messages, tool_calls, usage
from services.projector.rows import Projection

PROJECTIONS: tuple[Projection, ...] = (
    messages.project,
    tool_calls.project,
    usage.project,
    machines.project,
    deliveries.project,
)
