"""glob: find files by their path."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from services.worker.ports import OnOutput, Sandbox
from services.worker.tools.search.runner import search
from services.worker.tools.tool import Outcome, Tool

_PATHS: Final = 500


class Glob(msgspec.Struct, frozen=True):
    """Arguments of `glob`."""

    pattern: Annotated[
        str, Meta(min_length=1, description="A pattern such as `**/*.py` or `src/*.{ts,tsx}`.")
    ]
    path: Annotated[str, Meta(description="Look under this directory; else the workspace.")] = ""


async def run(sandbox: Sandbox, arguments: Glob, _on_output: OnOutput) -> Outcome:
    """List the files that match, sorted; say what was not looked at."""
    request = {
        "kind": "glob",
        "pattern": arguments.pattern,
        "path": arguments.path,
        "most": _PATHS,
    }
    found = await search(sandbox, request, nothing="[no file matches]")
    return msgspec.structs.replace(found, exit_code=0) if not found.is_error else found


def title(arguments: Glob) -> str:
    """Name the pattern."""
    return f"Find {arguments.pattern}"


GLOB: Final = Tool(
    name="glob",
    description=(
        "List files whose path matches a pattern: `*`, `?`, `[a-z]`, `{a,b}`, and `**` for any "
        "depth; hidden files too. A directory in brackets may be named as it is "
        "(`app/[slug]/*.tsx`). What git ignores is left out, and said, unless the pattern or "
        "`path` names it."
    ),
    arguments=Glob,
    title=title,
    run=run,
)
