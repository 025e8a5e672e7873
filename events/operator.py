"""What those who host Errand did to its log."""

from events.fact import Fact


class TaskErased(Fact, frozen=True, tag="task.erased"):
    """All that is left of an erased task."""

    reason: str


OperatorEvent = TaskErased
