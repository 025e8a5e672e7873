"""read: show a file, or a part of it, with line numbers."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from services.worker.ports import FILE_LIMIT_BYTES, OnOutput, Sandbox
from services.worker.tools.text.file_text import (
    CR,
    LF,
    FileText,
    count_endings,
    decode_file,
    endings_name,
    split_lines,
)
from services.worker.tools.tool import Outcome, Tool, name_of, path_of, refused

_LINES: Final = 2000
_LINE_CHARACTERS: Final = 2000


class Read(msgspec.Struct, frozen=True):
    """Arguments of `read`."""

    path: Annotated[str, Meta(min_length=1, description="The file; relative to the workspace.")]
    start_line: Annotated[int, Meta(ge=1, description="First line to show; 1 if left out.")] = 1
    line_count: Annotated[
        int, Meta(ge=1, description=f"How many lines to show; {_LINES} if left out.")
    ] = _LINES


async def run(sandbox: Sandbox, arguments: Read, _on_output: OnOutput) -> Outcome:
    """Return the lines as `<number><tab><text>`, and say what of the file is not shown."""
    path = path_of(arguments.path)
    content = await sandbox.read(path, limit_bytes=FILE_LIMIT_BYTES + 1)
    is_cut = len(content) > FILE_LIMIT_BYTES
    file = decode_file(content[:FILE_LIMIT_BYTES], is_cut)
    if file is None:
        return refused(f"{path} is not a text file; look at it with bash (file, xxd).")
    lines = split_lines(file.text)
    first, count = arguments.start_line, arguments.line_count
    shown = lines[first - 1 : first - 1 + count]
    if not shown:
        return Outcome(output=f"[{path} has {len(lines)} lines; nothing to show]")
    told = [f"{number}\t{_shown(line)}" for number, line in enumerate(shown, first)]
    if first - 1 + count < len(lines):
        told.append(f"[lines {first}-{first - 1 + count} of {len(lines)}]")
    elif not is_cut and not file.text.endswith("\n"):
        told.append("[no newline at the end of the file]")
    if is_cut:
        told.append(f"[only the first {FILE_LIMIT_BYTES} bytes of the file were read]")
    return Outcome(output="\n".join([*told, *_notes(file)]))


def _shown(line: str) -> str:
    line = line.removesuffix(CR)
    if len(line) <= _LINE_CHARACTERS:
        return line
    return f"{line[:_LINE_CHARACTERS]}[… line cut; {len(line)} characters]"


def _notes(file: FileText) -> list[str]:
    """Return what the lines do not show: the encoding, and line endings other than LF."""
    notes = [f"[encoding: {file.encoding_name}]"] if file.encoding_name else []
    if CR not in file.text:
        return notes
    if LF not in file.text:
        return [
            *notes,
            "[line endings CR: to read and grep it is one line; edit takes them for LF]",
        ]
    notes.append(
        f"[{endings_name(file.text)}; a CR before LF is not shown, edit and write keep it]"
    )
    if CR in count_endings(file.text):
        lines = [n for n, x in enumerate(split_lines(file.text), 1) if CR in x.removesuffix(CR)]
        notes.append(f"[a CR inside a line ends no line; the first is in line {lines[0]}]")
    return notes


def title(arguments: Read) -> str:
    """Name the file."""
    return f"Read {name_of(arguments.path)}"


READ: Final = Tool(
    name="read",
    description=(
        "Show a text file, or some of its lines, each after its number and a tab. An encoding "
        "other than UTF-8 and line endings other than LF are said after the lines."
    ),
    arguments=Read,
    title=title,
    run=run,
)
