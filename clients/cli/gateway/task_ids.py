"""Lookup of tasks by the beginning of their id, as `git` does with commits."""

import re
from collections.abc import Awaitable, Sequence
from typing import Final, Protocol, TypeVar

from clients.cli.errors import CliError
from clients.cli.gateway.client import Unreachable
from events.protocol.api.tasks import TaskPage

T = TypeVar("T")

_PREFIX: Final = "task_"
_WHOLE: Final = re.compile(r"task_[a-z2-7]{26}")
_BEGINNING: Final = re.compile(r"(?:task_)?([a-z2-7]{1,26})")
_MIN_SHOWN: Final = 8
_MAX_LISTED: Final = 10


class TaskReader(Protocol):
    """Reader of a gateway's answers. Raises CliError."""

    def get(self, path: str, kind: type[T], /, **query: str | int) -> Awaitable[T]: ...  # noqa: D102


async def find_task(gateway: TaskReader, named: str) -> str:
    """Return the complete id of a task. A complete id is not looked up, so it works offline.

    Raises CliError when no task, or more than one, begins like this.
    """
    if _WHOLE.fullmatch(named):
        return named
    matched = _BEGINNING.fullmatch(named.strip().lower())
    if matched is None:
        raise CliError(
            f"“{named}” is not the id of a task.",
            "An id looks like task_x3og24…; `errand list` shows your tasks.",
        )
    beginning = _PREFIX + matched[1]
    try:
        page = await gateway.get(
            "/v1/tasks", TaskPage, id_prefix=beginning, archived="true", limit=_MAX_LISTED + 1
        )
    except Unreachable as away:
        raise Unreachable(
            f"{away.message} It is needed to find the task whose id begins with {beginning}.",
            "Give the complete id, or try again when the gateway is reachable.",
        ) from None
    found = page.data
    if len(found) == 1:
        return found[0].id
    if not found:
        raise CliError(f"No task id begins with {beginning}.", "`errand list` shows your tasks.")
    lines = [f"{task.id}  {task.title[:60]}" for task in found[:_MAX_LISTED]]
    more = ["…"] * (len(found) > _MAX_LISTED)
    raise CliError(
        f"More than one task id begins with {beginning}:",
        "\n  ".join([*lines, *more, "Give more characters of the id."]),
    )


def short_ids(ids: Sequence[str]) -> list[str]:
    """Return the shortest distinct beginnings of ids, at least 8 characters, without `task_`."""
    bare = [each.removeprefix(_PREFIX) for each in ids]
    length = _MIN_SHOWN
    while length < max(map(len, bare), default=0) and len({b[:length] for b in bare}) < len(bare):
        length += 1
    return [each[:length] for each in bare]
