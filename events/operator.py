"""What those who host Errand did to its log."""

from events.fact import Fact
from events.limits import Line


class TaskErased(Fact, frozen=True, tag="task.erased"):
    """All that is left of an erased task."""

    reason: Line


OperatorEvent = TaskErased
