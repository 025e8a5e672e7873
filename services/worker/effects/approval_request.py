"""Approval requests: they show a person exactly what a call would do, before it is made."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from events import ApprovalRequested
from services.worker.agent.approvals.policy import APPROVAL_VALIDITY, PUSH, ApprovalNeed
from services.worker.agent.steps import AskPush
from services.worker.agent.text.excerpt import excerpt
from services.worker.agent.text.left_out import shown_path
from services.worker.agent.tool_calls import Call, one_line
from services.worker.ports import FILE_LIMIT_BYTES, Sandbox, SandboxError
from services.worker.tools.edit import Edit, preview
from services.worker.tools.text.diff import difference
from services.worker.tools.text.file_text import decode_file
from services.worker.tools.text.replacement import keep_endings
from services.worker.tools.tool import path_of
from services.worker.tools.toolbox import title_of

_SHOWN_BYTES: Final = 32 * 1024
_SHOWN_NAMES: Final = 100


async def approval_request(
    call: Call, need: ApprovalNeed, sandbox: Sandbox, *, now: datetime
) -> ApprovalRequested:
    """Return the request for a call; what is shown is cut beyond 32 KiB, in its middle.

    A file is compared with what the sandbox holds. Raises SandboxUnavailable.
    """
    diff = await _difference(sandbox, call.name, call.input)
    command = "" if diff else _command(call.name, call.input)
    return ApprovalRequested(
        request=need.request,
        call=call.id,
        tool=call.name,
        title=title_of(call),
        digest=need.digest,
        covers=need.covers,
        risks=need.risks,
        expires_at=now + APPROVAL_VALIDITY,
        command=excerpt(command, _SHOWN_BYTES)[0],
        diff=excerpt(diff, _SHOWN_BYTES)[0],
    )


def push_approval_request(step: AskPush, diff: str, *, now: datetime) -> ApprovalRequested:
    """Return the request for a push: the changes of the files that a person has to see.

    `diff` is that of all of the work.
    """
    count = len(step.paths)
    files = "a file" if count == 1 else f"{count} files"
    names = [shown_path(path) for path in step.paths]
    return ApprovalRequested(
        request=step.need.request,
        call=step.call,
        tool=PUSH,
        title=one_line(f"Push {files} that the forge runs or trusts: {', '.join(names)}"),
        digest=step.need.digest,
        covers=step.need.covers,
        risks=step.need.risks,
        expires_at=now + APPROVAL_VALIDITY,
        command="\n".join(names[:_SHOWN_NAMES]),
        diff=excerpt(_changes_of(step.paths, diff), _SHOWN_BYTES)[0],
    )


def _changes_of(paths: Sequence[str], diff: str) -> str:
    """Return the parts of a diff that name one of the paths in their header."""
    parts = re.split(r"(?m)^(?=diff --git )", diff)
    return "".join(part for part in parts if any(path in part.split("\n@@")[0] for path in paths))


def _command(tool: str, arguments: Mapping[str, Any]) -> str:
    if tool == "bash" and isinstance(arguments.get("command"), str):
        return str(arguments["command"])
    return msgspec.json.encode(arguments).decode()


async def _difference(sandbox: Sandbox, tool: str, arguments: Mapping[str, Any]) -> str:
    """Return the change that an edit or a write makes, as a diff; empty for any other call."""
    match tool, arguments:
        case "edit", {"path": str(path)}:
            edit = _edit(arguments)
            if edit is None:
                return ""
            before = await _content(sandbox, path)
            old = "\n".join(each.old for each in edit.replacements)
            new = "\n".join(each.new for each in edit.replacements)
            return _change(path, before, preview(before, edit), (old, new))
        case "write", {"path": str(path), "content": str(content)}:
            before = await _content(sandbox, path)
            after = keep_endings(before, content)
            piece = ("", content) if after != before else ("", "")
            return _change(path, before, after, piece)
        case _:
            return ""


def _edit(arguments: Mapping[str, Any]) -> Edit | None:
    """Return an edit as the tool reads it; None when the tool refuses it."""
    try:
        return msgspec.convert(arguments, Edit, strict=False)
    except msgspec.ValidationError:
        return None


def _change(path: str, before: str, after: str, piece: tuple[str, str]) -> str:
    """Compare a file with what it will be; where that would say nothing, show the piece itself.

    So it is with a file too long to be compared, and a piece that is not in it.
    """
    whole = difference(path, before, after)
    if "\n@@" in whole:
        return whole
    shown = difference(path, *(f"{p}\n" if p and not p.endswith("\n") else p for p in piece))
    hunks = shown[shown.index("@@") :] if "@@" in shown else ""
    return f"--- a/{path}\n+++ b/{path}\n{hunks}"


async def _content(sandbox: Sandbox, path: str) -> str:
    try:
        content = await sandbox.read(path_of(path))
    except SandboxError:
        return ""
    file = decode_file(content, len(content) >= FILE_LIMIT_BYTES)
    return file.text if file else content.decode(errors="replace")
