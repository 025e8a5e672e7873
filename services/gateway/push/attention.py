"""Whether a person has seen it already: the one reason not to send a push that is due."""

from typing import Protocol

from events import PersonId, TaskId


class Attention(Protocol):
    """Knows what people look at just now."""

    async def is_looking(self, person: PersonId, task: TaskId, version: int) -> bool:
        """Tell whether a device of the person shows this task and has seen this version.

        An open connection is not enough. False when it cannot be told: rather once too often.
        """
        ...
