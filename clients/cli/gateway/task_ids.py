"""Tasks named by the beginning of their id, as `git` names commits."""

import re
from collections.abc import Awaitable, Sequence
from typing import Any, Final, Protocol

from clients.cli.errors import Trouble
from clients.cli.gateway.client import Unreachable

_PREFIX: Final = "task_"
_WHOLE: Final = re.compile(r"task_[a-z2-7]{26}")
_BEGINNING: Final = re.compile(r"(?:task_)?([a-z2-7]{1,26})")
_MIN_SHOWN: Final = 8
_LISTED: Final = 10


class TaskReader(Protocol):
    """Reads JSON from a gateway. Raises Trouble."""

    def get(self, path: str, **query: str | int) -> Awaitable[dict[str, Any]]: ...  # noqa: D102


async def find_task(gateway: TaskReader, named: str) -> str:
    """Return the id of the task meant. A whole id is taken as it is, so that it works offline.

    Raises Trouble when no task, or more than one, begins like this.
    """
    if _WHOLE.fullmatch(named):
        return named
    matched = _BEGINNING.fullmatch(named.strip().lower())
    if matched is None:
        raise Trouble(
            f"“{named}” is not the id of a task.",
            "An id looks like task_x3og24…; `errand list` shows yours.",
        )
    beginning = _PREFIX + matched[1]
    try:
        page = await gateway.get(
            "/v1/tasks", id_prefix=beginning, archived="true", limit=_LISTED + 1
        )
    except Unreachable as away:
        raise Unreachable(
            f"{away.what} Only it knows which task begins with {beginning}.",
            "Give the whole id, or try again when it answers.",
        ) from None
    found = page["data"]
    if len(found) == 1:
        return str(found[0]["id"])
    if not found:
        raise Trouble(f"No task begins with {beginning}.", "`errand list` shows yours.")
    lines = [f"{task['id']}  {str(task['title'])[:60]}" for task in found[:_LISTED]]
    more = ["…"] * (len(found) > _LISTED)
    raise Trouble(
        f"More than one task begins with {beginning}:",
        "\n  ".join([*lines, *more, "Give more of the id."]),
    )


def short_ids(ids: Sequence[str]) -> list[str]:
    """Shorten ids to what tells them apart, and a little more, without `task_`."""
    bare = [each.removeprefix(_PREFIX) for each in ids]
    length = _MIN_SHOWN
    while length < max(map(len, bare), default=0) and len({b[:length] for b in bare}) < len(bare):
        length += 1
    return [each[:length] for each in bare]
