"""What a person is shown of a call before it is made: exactly what it would do."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from events import ApprovalRequested
from services.worker.calls import Call
from services.worker.consent import Wanted
from services.worker.excerpt import excerpt
from services.worker.tools.difference import difference
from services.worker.tools.toolbox import title_of

OPEN: Final = timedelta(hours=24)
"""How long a request waits for its answer."""

_SHOWN_BYTES: Final = 32 * 1024


def request_of(call: Call, want: Wanted, *, now: datetime) -> ApprovalRequested:
    """Put the request for a call; what is shown is cut beyond 32 KiB, in its middle."""
    diff = _difference(call.name, call.input)
    command = "" if diff else _command(call.name, call.input)
    return ApprovalRequested(
        request=want.request,
        call=call.id,
        tool=call.name,
        title=title_of(call),
        digest=want.digest,
        covers=want.covers,
        expires_at=now + OPEN,
        command=excerpt(command, _SHOWN_BYTES)[0],
        diff=excerpt(diff, _SHOWN_BYTES)[0],
    )


def _command(tool: str, arguments: Mapping[str, Any]) -> str:
    if tool == "bash" and isinstance(arguments.get("command"), str):
        return str(arguments["command"])
    return msgspec.json.encode(arguments).decode()


def _difference(tool: str, arguments: Mapping[str, Any]) -> str:
    """Spell an edit or a new file as a diff; empty for any other call, and a malformed one."""
    match tool, arguments:
        case "edit", {"path": str(path), "old": str(old), "new": str(new)}:
            return difference(path, old, new)
        case "write", {"path": str(path), "content": str(content)}:
            return difference(path, "", content)
        case _:
            return ""
