"""write: put a file."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from services.worker.ports import FILE_LIMIT_BYTES, NoSuchFile, OnOutput, Sandbox
from services.worker.tools.text.diff import difference
from services.worker.tools.text.file_text import FileText, decode_file, endings_name, split_lines
from services.worker.tools.text.replacement import keep_endings, marks_in
from services.worker.tools.tool import Outcome, Tool, cannot_encode, name_of, path_of, refused


class Write(msgspec.Struct, frozen=True):
    """Arguments of `write`."""

    path: Annotated[str, Meta(min_length=1, description="The file; relative to the workspace.")]
    content: Annotated[str, Meta(description="All that the file shall hold.")]


async def run(sandbox: Sandbox, arguments: Write, _on_output: OnOutput) -> Outcome:
    """Write the file, making its directories; one that is there keeps its encoding and endings."""
    path = path_of(arguments.path)
    file = FileText("")
    is_new = False
    try:
        content = await sandbox.read(path, limit_bytes=FILE_LIMIT_BYTES + 1)
    except NoSuchFile:
        content, is_new = b"", True
    is_long = len(content) > FILE_LIMIT_BYTES
    there = decode_file(content[:FILE_LIMIT_BYTES], is_long) if content else file
    if there is None:
        return refused(
            f"{path} is there and is not a text file. Remove it with bash first if it shall be "
            "replaced."
        )
    if mark := marks_in(arguments.content, there.text):
        return refused(
            f"The content has {mark} in it, which stands for text that was not shown. Use edit for "
            "the parts that change, or bash if the mark itself is meant."
        )
    after = keep_endings(there.text, arguments.content.removeprefix("\ufeff" if there.mark else ""))
    try:
        changed = there.encode(after)
    except UnicodeEncodeError as error:
        return refused(cannot_encode(path, there, error))
    await sandbox.write(path, changed)
    return Outcome(
        output=f"Wrote {path} ({len(split_lines(after))} lines{_kept(there, after)}).",
        diff="" if is_long else difference(path, there.text, after, is_new=is_new),
    )


def _kept(there: FileText, after: str) -> str:
    """Return what is not plain about the file as it is now."""
    named = [name for name in (there.encoding_name, endings_name(after)) if name]
    return "".join(f"; {name}" for name in named)


def title(arguments: Write) -> str:
    """Name the file and its size."""
    return f"Write {name_of(arguments.path)} +{len(split_lines(arguments.content))}"


WRITE: Final = Tool(
    name="write",
    description=(
        "Write a whole file: a new one, or instead of the one that is there, whose encoding and "
        "line endings are kept unless the content has CRLF of its own."
    ),
    arguments=Write,
    title=title,
    run=run,
)
