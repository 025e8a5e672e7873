"""edit: replace a piece of a file, found by its exact text."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from services.worker.ports import FILE_LIMIT_BYTES, OnOutput, Sandbox
from services.worker.tools.difference import difference, measure
from services.worker.tools.tool import Outcome, Tool, name_of, refused


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
    path, old, new = arguments.path, arguments.old, arguments.new
    content = await sandbox.read(path, limit_bytes=FILE_LIMIT_BYTES + 1)
    if len(content) > FILE_LIMIT_BYTES:
        return refused(f"{path} is longer than {FILE_LIMIT_BYTES} bytes; edit it with bash.")
    try:
        before = content.decode()
    except UnicodeDecodeError:
        return refused(f"{path} is not UTF-8 text; edit it with bash.")
    places = before.count(old)
    if old == new:
        return refused("`old` and `new` are the same; nothing to do.")
    if not places:
        return refused(f"`old` is not in {path}. Read the file again and copy the text exactly.")
    if places > 1 and not arguments.replace_all:
        return refused(
            f"`old` is in {path} {places} times. Give more of the text around it, or replace_all."
        )
    after = before.replace(old, new)
    await sandbox.write(path, after.encode(errors="replace"))
    what = "1 place" if places == 1 else f"{places} places"
    return Outcome(output=f"Edited {path}: {what}.", diff=difference(path, before, after))


def title(arguments: Edit) -> str:
    """Name the file and how much changes."""
    return f"Edit {name_of(arguments.path)} {measure(arguments.old, arguments.new)}"


EDIT: Final = Tool(
    name="edit",
    description="Replace a piece of a file with another. `old` must match the file exactly.",
    arguments=Edit,
    title=title,
    run=run,
)
