"""edit: replace a piece of a file, found by its exact text."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from services.worker.ports import FILE_LIMIT_BYTES, OnOutput, Sandbox
from services.worker.tools.text.diff import difference, measure
from services.worker.tools.text.file_text import FileText, decode_file
from services.worker.tools.text.replacement import find, marks_in, places_named, replace, why_not
from services.worker.tools.tool import Outcome, Tool, cannot_encode, name_of, path_of, refused


class Edit(msgspec.Struct, frozen=True):
    """Arguments of `edit`."""

    path: Annotated[str, Meta(min_length=1, description="The file; relative to the workspace.")]
    old: Annotated[
        str, Meta(min_length=1, description="The text to replace, exactly as it is in the file.")
    ]
    new: Annotated[str, Meta(description="The text to put there.")]
    replace_all: Annotated[
        bool, Meta(description="Replace every place; else `old` must be there exactly once.")
    ] = False


async def run(sandbox: Sandbox, arguments: Edit, _on_output: OnOutput) -> Outcome:
    """Replace the text; refuse when it is not there, or more than once and not all are meant."""
    path = path_of(arguments.path)
    content = await sandbox.read(path, limit_bytes=FILE_LIMIT_BYTES + 1)
    if len(content) > FILE_LIMIT_BYTES:
        return refused(f"{path} is longer than {FILE_LIMIT_BYTES} bytes; edit it with bash.")
    file = text_to_edit(content)
    if file is None:
        return refused(f"{path} is not a text file; edit it with bash.")
    spans = find(file.text, arguments.old)
    if problem := _problem(path, file.text, arguments, spans):
        return refused(problem)
    after = replace(file.text, spans, arguments.old, arguments.new)
    if after == file.text:
        return refused("`old` and `new` are the same; nothing to do.")
    try:
        changed = file.encode(after)
    except UnicodeEncodeError as error:
        return refused(cannot_encode(path, file, error))
    await sandbox.write(path, changed)
    what = "1 place" if len(spans) == 1 else f"{len(spans)} places"
    return Outcome(output=f"Edited {path}: {what}.", diff=difference(path, file.text, after))


def text_to_edit(content: bytes) -> FileText | None:
    """Return a file's text; one that is UTF-8 but for a NUL in it can be edited too."""
    file = decode_file(content)
    if file is None:
        try:
            return FileText(content.decode())
        except UnicodeDecodeError:
            return None
    return file


def _problem(path: str, text: str, arguments: Edit, spans: list[tuple[int, int]]) -> str:
    """Return why the text cannot be replaced; empty when it can."""
    old, new = arguments.old, arguments.new
    if old == new:
        return "`old` and `new` are the same; nothing to do."
    if not spans:
        mark = marks_in(old, text)
        if mark:
            return (
                f"`old` has {mark} in it, which stands for text that was not shown. Edit around it."
            )
        return f"`old` is not in {path}. {why_not(text, old)}"
    if len(spans) > 1 and not arguments.replace_all:
        return (
            f"`old` is in {path} {len(spans)} times, in lines {places_named(text, spans)}. Give "
            "more of the text around it, or replace_all."
        )
    if mark := marks_in(new, text):
        return (
            f"`new` has {mark} in it, which stands for text that was not shown; it would replace "
            "that text. Edit around it, or use bash."
        )
    return ""


def title(arguments: Edit) -> str:
    """Name the file and how much changes."""
    return f"Edit {name_of(arguments.path)} {measure(arguments.old, arguments.new)}"


EDIT: Final = Tool(
    name="edit",
    description=(
        "Replace a piece of a file with another. `old` must match the file exactly; a line break "
        "in it matches whatever ends the file's lines. Encoding and line endings are kept."
    ),
    arguments=Edit,
    title=title,
    run=run,
)
