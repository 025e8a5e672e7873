"""grep: find lines by a regular expression."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from services.worker.ports import OnOutput, Sandbox
from services.worker.tools.search.runner import search
from services.worker.tools.tool import Outcome, Tool

_LINES: Final = 500
_LINE_CHARACTERS: Final = 500


class Grep(msgspec.Struct, frozen=True):
    """Arguments of `grep`."""

    pattern: Annotated[
        str, Meta(min_length=1, description="A regular expression, as Python's `re` reads it.")
    ]
    path: Annotated[
        str, Meta(description="Look in this file or directory only; else the whole workspace.")
    ] = ""
    glob: Annotated[str, Meta(description="Look in files like this only, such as `*.py`.")] = ""


async def run(sandbox: Sandbox, arguments: Grep, _on_output: OnOutput) -> Outcome:
    """Return the lines that match as `path:number:text`; say what was not searched."""
    request = {
        "kind": "grep",
        "pattern": arguments.pattern,
        "path": arguments.path,
        "glob": arguments.glob,
        "most": _LINES,
        "line_characters": _LINE_CHARACTERS,
    }
    return await search(sandbox, request, nothing="[no line matches]")


def title(arguments: Grep) -> str:
    """Name what is looked for."""
    return f"Search for {arguments.pattern}"


GREP: Final = Tool(
    name="grep",
    description=(
        "Search files for lines that match a regular expression (Python's), line by line. What git "
        "ignores is left out, and said, unless `path` names it; binary files are named, not "
        "searched. A long line is shown around its match."
    ),
    arguments=Grep,
    title=title,
    run=run,
)
