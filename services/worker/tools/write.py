"""write: put a file."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from services.worker.ports import OnOutput, Sandbox, SandboxError
from services.worker.tools.difference import difference
from services.worker.tools.tool import Outcome, Tool, name_of


class Write(msgspec.Struct, frozen=True):
    """Arguments of `write`."""

    path: Annotated[str, Meta(min_length=1, description="The file; relative to the workspace.")]
    content: Annotated[str, Meta(description="All that the file shall hold.")]


async def run(sandbox: Sandbox, arguments: Write, _on_output: OnOutput) -> Outcome:
    """Write the file, making its directories."""
    try:
        before = (await sandbox.read(arguments.path)).decode(errors="replace")
    except SandboxError:
        before = ""
    await sandbox.write(arguments.path, arguments.content.encode(errors="replace"))
    return Outcome(
        output=f"Wrote {arguments.path} ({len(arguments.content.splitlines())} lines).",
        diff=difference(arguments.path, before, arguments.content),
    )


def title(arguments: Write) -> str:
    """Name the file and its size."""
    return f"Write {name_of(arguments.path)} +{len(arguments.content.splitlines())}"


WRITE: Final = Tool(
    name="write",
    description="Write a whole file: a new one, or instead of the one that is there.",
    arguments=Write,
    title=title,
    run=run,
)
