"""bash: run a script in the agent's shell."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from services.worker.ports import Completed, OnOutput, Sandbox
from services.worker.tools.tool import Outcome, Tool

DEFAULT_TIMEOUT_SECONDS: Final = 120
LONGEST_TIMEOUT_SECONDS: Final = 1800


class Bash(msgspec.Struct, frozen=True):
    """Arguments of `bash`."""

    command: Annotated[str, Meta(min_length=1, description="What to run.")]
    timeout_seconds: Annotated[
        int,
        Meta(
            ge=1,
            le=LONGEST_TIMEOUT_SECONDS,
            description=f"Give up after this long; {DEFAULT_TIMEOUT_SECONDS} when left out.",
        ),
    ] = DEFAULT_TIMEOUT_SECONDS


async def run(sandbox: Sandbox, arguments: Bash, on_output: OnOutput) -> Outcome:
    """Run the script; its exit code is the last line of the output when it is not zero."""
    completed = await sandbox.shell(
        arguments.command, timeout_seconds=arguments.timeout_seconds, on_output=on_output
    )
    return Outcome(
        output=_told(completed, arguments.timeout_seconds),
        exit_code=completed.exit_code,
        is_error=completed.is_timed_out,
        is_truncated=completed.is_truncated,
    )


def title(arguments: Bash) -> str:
    """Name a few commands everybody knows by what they are for; show any other as it is."""
    words = arguments.command.replace("&&", " && ").split()
    for name, meaning in _KNOWN.items():
        if name in " ".join(words):
            return meaning
    return f"$ {arguments.command}"


def _told(completed: Completed, timeout_seconds: int) -> str:
    lines = [completed.output.decode(errors="replace").rstrip("\n")]
    if completed.is_timed_out:
        lines.append(f"[stopped: it ran longer than {timeout_seconds} seconds]")
    if completed.note:
        lines.append(f"[{completed.note}]")
    if completed.exit_code:
        lines.append(f"exit code: {completed.exit_code}")
    return "\n".join(line for line in lines if line)


_KNOWN: Final = {
    "pytest": "Run the tests",
    "python -m unittest": "Run the tests",
    "python3 -m unittest": "Run the tests",
    "npm test": "Run the tests",
    "go test": "Run the tests",
    "cargo test": "Run the tests",
    "make test": "Run the tests",
    "git status": "Look at what changed",
    "git diff": "Look at what changed",
    "git log": "Read the project's history",
}

BASH: Final = Tool(
    name="bash",
    description=(
        "Run a script in a bash shell in the workspace. The directory, variables and background "
        "processes stay for the next call. There is no network and no terminal: commands that ask "
        "for input get none. Standard output and error are returned together, and the exit code "
        "when it is not zero."
    ),
    arguments=Bash,
    title=title,
    run=run,
)
