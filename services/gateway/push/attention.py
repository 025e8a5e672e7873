"""Attention of a person: the only reason not to send a push that is due."""

from typing import Protocol

from events import PersonId, TaskId


class Attention(Protocol):
    """Reports what people are looking at."""

    async def is_looking(self, person: PersonId, task: TaskId, version: int) -> bool:
        """Return whether a device of the person shows this task and has seen this version.

        An open connection is not enough. False when unknown: a repeated push is better than none.
        """
        ...
