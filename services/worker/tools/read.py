"""read: show a file, or a part of it, with line numbers."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from services.worker.ports import FILE_LIMIT_BYTES, OnOutput, Sandbox
from services.worker.tools.tool import Outcome, Tool, name_of, refused

_LINES = 2000
_LINE_CHARACTERS = 2000


class Read(msgspec.Struct, frozen=True):
    """Arguments of `read`."""

    path: Annotated[str, Meta(min_length=1, description="The file; relative to the workspace.")]
    start_line: Annotated[int, Meta(ge=1, description="First line to show; 1 if left out.")] = 1
    line_count: Annotated[
        int, Meta(ge=1, description=f"How many lines to show; {_LINES} if left out.")
    ] = _LINES


async def run(sandbox: Sandbox, arguments: Read, _on_output: OnOutput) -> Outcome:
    """Return the lines as `<number><tab><text>`, and say what of the file is not shown."""
    content = await sandbox.read(arguments.path)
    if b"\0" in content:
        return refused(f"{arguments.path} is not a text file; look at it with bash (file, xxd).")
    lines = content.decode(errors="replace").splitlines()
    first, count = arguments.start_line, arguments.line_count
    shown = lines[first - 1 : first - 1 + count]
    if not shown:
        return Outcome(output=f"[{arguments.path} has {len(lines)} lines; nothing to show]")
    told = [f"{number}\t{_cut(line)}" for number, line in enumerate(shown, first)]
    if first - 1 + count < len(lines):
        told.append(f"[lines {first}-{first - 1 + count} of {len(lines)}]")
    if len(content) >= FILE_LIMIT_BYTES:
        told.append(f"[only the first {FILE_LIMIT_BYTES} bytes of the file were read]")
    return Outcome(output="\n".join(told))


def _cut(line: str) -> str:
    return line if len(line) <= _LINE_CHARACTERS else f"{line[:_LINE_CHARACTERS]}[… line cut]"


def title(arguments: Read) -> str:
    """Name the file."""
    return f"Read {name_of(arguments.path)}"


READ: Final = Tool(
    name="read",
    description="Show a text file, or some of its lines, each after its number and a tab.",
    arguments=Read,
    title=title,
    run=run,
)
