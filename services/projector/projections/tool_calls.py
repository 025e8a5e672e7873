"""Read model `tool_call`: each call of a tool, from its start to its end."""

from collections.abc import Sequence

from events import Recorded, ToolCompleted, ToolInterrupted, ToolStarted
from services.projector.rows import Row, Table, storable

TOOL_CALL = Table("tool_call", ("task", "call"))


def project(recorded: Recorded) -> Sequence[Row]:
    """Project the beginning or the end of a tool call."""
    match recorded.event:
        case ToolStarted(call=call, tool=tool, title=title):
            changes: dict[str, object] = {
                "call": call,
                "version": recorded.version,
                "tool": tool,
                "title": storable(title),
                "started_at": recorded.at,
            }
        case ToolCompleted() as done:
            changes = {
                "call": done.call,
                "ended_at": recorded.at,
                "exit_code": done.exit_code,
                "is_error": done.is_error,
                "is_truncated": done.is_truncated,
                "output": storable(done.output),
                "seconds": done.seconds,
            }
        case ToolInterrupted(call=call, reason=reason):
            changes = {"call": call, "ended_at": recorded.at, "interrupted": storable(reason)}
        case _:
            return []
    return [Row(TOOL_CALL, {"task": recorded.task, **changes})]
