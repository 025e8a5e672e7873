"""Read model `tool_call`: each call of a tool, from its start to its end."""

from collections.abc import Sequence

from events import Recorded, ToolCompleted, ToolInterrupted, ToolStarted
from services.projector.projections.table import Row, Table, key_text, storable

TOOL_CALL = Table(
    "tool_call",
    ("task", "call"),
    (
        "task",
        "call",
        "version",
        "tool",
        "title",
        "started_at",
        "ended_at",
        "exit_code",
        "is_error",
        "is_truncated",
        "interrupted",
        "output",
        "seconds",
    ),
)
FACTS = (ToolStarted, ToolCompleted, ToolInterrupted)


def project(recorded: Recorded) -> Sequence[Row]:
    """Project the beginning or the end of a tool call."""
    match recorded.event:
        case ToolStarted(call=call, tool=tool, title=title):
            values: dict[str, object] = {
                "task": recorded.task,
                "call": key_text(call),
                "version": recorded.version,
                "tool": tool,
                "title": storable(title),
                "started_at": recorded.at,
            }
        case ToolCompleted() as done:
            values = {
                "task": recorded.task,
                "call": key_text(done.call),
                "ended_at": recorded.at,
                "exit_code": done.exit_code,
                "is_error": done.is_error,
                "is_truncated": done.is_truncated,
                "output": storable(done.output),
                "seconds": done.seconds,
            }
        case ToolInterrupted(call=call, reason=reason):
            values = {
                "task": recorded.task,
                "call": key_text(call),
                "ended_at": recorded.at,
                "interrupted": storable(reason),
            }
        case _:
            return []
    return [Row(TOOL_CALL, values)]
