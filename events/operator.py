"""Facts of the operator: what was done to the log itself."""

from events.fact import Fact
from events.limits import Line


class TaskErased(Fact, frozen=True, tag="task.erased"):
    """All that is left of an erased task."""

    reason: Line


OperatorEvent = TaskErased
