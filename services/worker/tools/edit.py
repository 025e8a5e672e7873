"""edit: replace a piece of a file, found by its exact text."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from services.worker.ports import FILE_LIMIT_BYTES, OnOutput, Sandbox
from services.worker.tools.text.diff import difference, measure
from services.worker.tools.text.file_text import FileText, decode_file
from services.worker.tools.text.replacement import find, marks_in, places_named, replace, why_not
from services.worker.tools.tool import Outcome, Tool, cannot_encode, name_of, path_of, refused

_MAX_FURTHER: Final = 100

_Old = Annotated[
    str, Meta(min_length=1, description="The text to replace, exactly as it is in the file.")
]
_New = Annotated[str, Meta(description="The text to put there.")]
_All = Annotated[
    bool, Meta(description="Replace every place; else `old` must be there exactly once.")
]


class Replacement(msgspec.Struct, frozen=True):
    """One text in place of another."""

    old: _Old
    new: _New
    replace_all: _All = False


class Edit(msgspec.Struct, frozen=True):
    """Arguments of `edit`."""

    path: Annotated[str, Meta(min_length=1, description="The file; relative to the workspace.")]
    old: _Old
    new: _New
    replace_all: _All = False
    more: Annotated[
        tuple[Replacement, ...],
        Meta(
            max_length=_MAX_FURTHER,
            description="Further replacements in the same file, each in what the one before it "
            "left. All are made, or none.",
        ),
    ] = ()

    @property
    def replacements(self) -> tuple[Replacement, ...]:
        """All of them, in order."""
        return (Replacement(self.old, self.new, self.replace_all), *self.more)


async def run(sandbox: Sandbox, arguments: Edit, _on_output: OnOutput) -> Outcome:
    """Replace the text; refuse when it is not there, or more than once and not all are meant."""
    path = path_of(arguments.path)
    content = await sandbox.read(path, limit_bytes=FILE_LIMIT_BYTES + 1)
    if len(content) > FILE_LIMIT_BYTES:
        return refused(f"{path} is longer than {FILE_LIMIT_BYTES} bytes; edit it with bash.")
    file = text_to_edit(content)
    if file is None:
        return refused(f"{path} is not a text file; edit it with bash.")
    after, places = file.text, 0
    for number, each in enumerate(arguments.replacements):
        spans = find(after, each.old)
        if problem := _problem(path, after, each, spans):
            return refused(_told(problem, number, arguments))
        after, places = replace(after, spans, each.old, each.new), places + len(spans)
    if after == file.text:
        return refused("The file would be as it was; nothing to do.")
    try:
        changed = file.encode(after)
    except UnicodeEncodeError as error:
        return refused(cannot_encode(path, file, error))
    await sandbox.write(path, changed)
    what = "1 place" if places == 1 else f"{places} places"
    return Outcome(output=f"Edited {path}: {what}.", diff=difference(path, file.text, after))


def preview(text: str, arguments: Edit) -> str:
    """Return what a text would be after an edit, as far as it can be made."""
    for each in arguments.replacements:
        spans = find(text, each.old)
        text = replace(text, spans if each.replace_all else spans[:1], each.old, each.new)
    return text


def text_to_edit(content: bytes) -> FileText | None:
    """Return a file's text; one that is UTF-8 but for a NUL in it can be edited too."""
    file = decode_file(content)
    if file is None:
        try:
            return FileText(content.decode())
        except UnicodeDecodeError:
            return None
    return file


def _told(problem: str, number: int, arguments: Edit) -> str:
    """Return which of several replacements a problem is with, and that none was made."""
    if not arguments.more:
        return problem
    return f"Replacement {number + 1} of {len(arguments.replacements)}: {problem} None was made."


def _problem(path: str, text: str, arguments: Replacement, spans: list[tuple[int, int]]) -> str:
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
    pieces = [(each.old, each.new) for each in arguments.replacements]
    return f"Edit {name_of(arguments.path)} {measure(*pieces)}"


EDIT: Final = Tool(
    name="edit",
    description=(
        "Replace a piece of a file with another. `old` must match the file exactly; a line break "
        "in it matches whatever ends the file's lines. Encoding and line endings are kept. Several "
        "pieces of one file are changed in one call with `more`."
    ),
    arguments=Edit,
    title=title,
    run=run,
)
