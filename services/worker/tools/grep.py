"""grep: find lines by a regular expression."""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from services.worker.ports import Completed, OnOutput, Sandbox
from services.worker.tools.tool import Outcome, Tool, refused

_LINES = 500
_LINE_CHARACTERS = 500
_TIMEOUT_SECONDS = 60
_NOTHING_FOUND = 1


class Grep(msgspec.Struct, frozen=True):
    """Arguments of `grep`."""

    pattern: Annotated[str, Meta(min_length=1, description="A regular expression.")]
    path: Annotated[
        str, Meta(description="Look in this file or directory only; else the whole workspace.")
    ] = ""
    glob: Annotated[str, Meta(description="Look in files like this only, such as `*.py`.")] = ""


async def run(sandbox: Sandbox, arguments: Grep, _on_output: OnOutput) -> Outcome:
    """Return the lines that match as `path:number:text`, those of ignored files left out."""
    found = await _search(sandbox, arguments, dialect="-P")
    if found.exit_code > _NOTHING_FOUND and b"perl" in found.output.lower():
        found = await _search(sandbox, arguments, dialect="-E")
    text = found.output.decode(errors="replace")
    if found.exit_code == _NOTHING_FOUND and not text:
        return Outcome(output="[no line matches]", exit_code=_NOTHING_FOUND)
    if found.exit_code:
        return refused(text.strip() or f"git grep ended with {found.exit_code}.")
    lines = text.splitlines()
    told = [line[:_LINE_CHARACTERS] for line in lines[:_LINES]]
    if len(lines) > _LINES:
        told.append(f"[{len(lines) - _LINES} more lines; give a narrower pattern]")
    return Outcome(output="\n".join(told))


async def _search(sandbox: Sandbox, arguments: Grep, *, dialect: str) -> Completed:
    return await sandbox.execute(
        [
            *("git", "--no-pager", "grep", *_scope(arguments.path), "-I", "-n", "--no-color"),
            *(dialect, "-e", arguments.pattern, "--", *_places(arguments)),
        ],
        timeout_seconds=_TIMEOUT_SECONDS,
    )


def _scope(path: str) -> Sequence[str]:
    is_outside = path.startswith("/") and not path.startswith("/workspace")
    return ["--no-index"] if is_outside else ["--untracked"]


def _places(arguments: Grep) -> Sequence[str]:
    where = arguments.path.removeprefix("/workspace").removeprefix("./").strip("/") or "."
    if arguments.path.startswith("/") and not arguments.path.startswith("/workspace"):
        return [arguments.path]
    if not arguments.glob:
        return [where if where == "." else f":(literal){where}"]
    inside = "" if where == "." else f"{where}/"
    depth = "" if "/" in arguments.glob else "**/"
    return [f":(glob){inside}{depth}{arguments.glob}"]


def title(arguments: Grep) -> str:
    """Name what is looked for."""
    return f"Search for {arguments.pattern}"


GREP: Final = Tool(
    name="grep",
    description="Search the files of the workspace for lines that match a regular expression.",
    arguments=Grep,
    title=title,
    run=run,
)
