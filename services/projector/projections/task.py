"""Read model `task`: one row per task, its whole state and the columns lists are filtered by."""

import msgspec

from events.protocol.task_state import TaskState
from services.projector.projections.table import Row, Table, storable, storable_json

TASK = Table(
    "task",
    ("task",),
    (
        "task",
        "account",
        "version",
        "phase",
        "waiting",
        "repository",
        "submitted_at",
        "updated_at",
        "state",
    ),
)


def row(state: TaskState) -> Row:
    """Project a task's state to its row. The row is written whole each time."""
    values: dict[str, object] = {
        "task": state.id,
        "account": state.account,
        "version": state.version,
        "phase": state.phase,
        "waiting": state.waiting,
        "repository": storable(state.repository.url),
        "submitted_at": state.submitted_at,
        "updated_at": state.updated_at,
        "state": encode(state).decode(),
    }
    return Row(TASK, values)


def encode(state: TaskState) -> bytes:
    """Encode a state as JSON fit for a jsonb column, which refuses NUL."""
    return storable_json(msgspec.json.encode(state))


def decode(content: bytes | str) -> TaskState:
    """Read a state back. Raises `msgspec.ValidationError` when it is not one."""
    return msgspec.json.decode(content, type=TaskState)
