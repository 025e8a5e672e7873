"""glob: find files by their path."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from services.worker.ports import OnOutput, Sandbox
from services.worker.tools.tool import Outcome, Tool, refused

_PATHS = 500
_TIMEOUT_SECONDS = 60


class Glob(msgspec.Struct, frozen=True):
    """Arguments of `glob`."""

    pattern: Annotated[
        str, Meta(min_length=1, description="A pattern such as `**/*.py` or `src/*/test_*`.")
    ]
    path: Annotated[str, Meta(description="Look under this directory of the workspace only.")] = ""


async def run(sandbox: Sandbox, arguments: Glob, _on_output: OnOutput) -> Outcome:
    """List the files that match, those that git ignores left out."""
    inside = arguments.path.removeprefix("/workspace").removeprefix("./").strip("/")
    where = f"{inside}/" if inside.strip(".") else ""
    listed = await sandbox.execute(
        [
            *("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"),
            *("--deduplicate", "--", f":(glob){where}{arguments.pattern.lstrip('/')}"),
        ],
        timeout_seconds=_TIMEOUT_SECONDS,
    )
    if listed.exit_code:
        return refused(listed.output.decode(errors="replace").strip() or "git could not look.")
    paths = sorted(path for path in listed.output.decode(errors="replace").split("\0") if path)
    if not paths:
        return Outcome(output="[no file matches]")
    told = paths[:_PATHS]
    if len(paths) > _PATHS:
        told.append(f"[{len(paths) - _PATHS} more; give a narrower pattern]")
    return Outcome(output="\n".join(told))


def title(arguments: Glob) -> str:
    """Name the pattern."""
    return f"Find {arguments.pattern}"


GLOB: Final = Tool(
    name="glob",
    description="List the workspace's files whose path matches a pattern (`**` for any depth).",
    arguments=Glob,
    title=title,
    run=run,
)
