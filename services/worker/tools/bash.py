"""bash: run a script in the agent's shell."""

from shlex import quote
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from services.worker.agent.text.command_title import purpose_of, shown_in_a_line
from services.worker.ports import CommandResult, OnOutput, Sandbox
from services.worker.tools.tool import Outcome, Tool

DEFAULT_TIMEOUT_SECONDS: Final = 120
MAX_TIMEOUT_SECONDS: Final = 1800

# A group of processes of its own, so that one signal ends all of a job; it is a copy of the shell,
# with its variables and functions.
_BACKGROUND: Final = r"""
__jobs="$HOME/.errand_jobs"
__job=1
mkdir -p "$__jobs" && while [ -e "$__jobs/$__job.log" ]; do __job=$((__job + 1)); done
__log="$__jobs/$__job.log"
: > "$__log" || exit 1
set -m
( (eval SCRIPT); echo "[ended with exit code $?]" ) > "$__log" 2>&1 < /dev/null &
set +m
echo "Job $__job runs in the background. Its output: $__log (its exit code is the last line once it"
echo "has ended). To end it: kill -- -$!"
"""


class Bash(msgspec.Struct, frozen=True):
    """Arguments of `bash`."""

    command: Annotated[str, Meta(min_length=1, description="What to run.")]
    timeout_seconds: Annotated[
        int,
        Meta(
            ge=1,
            le=MAX_TIMEOUT_SECONDS,
            description=f"Give up after this long; {DEFAULT_TIMEOUT_SECONDS} when left out.",
        ),
    ] = DEFAULT_TIMEOUT_SECONDS
    background: Annotated[
        bool,
        Meta(
            description="Start it and return at once, as for a server or a watcher; the result "
            "says where its output is and how to end it. It runs without a timeout, until it is "
            "ended or a call that times out ends all that runs in the shell."
        ),
    ] = False


async def run(sandbox: Sandbox, arguments: Bash, on_output: OnOutput) -> Outcome:
    """Run the script; its exit code is the last line of the output when it is not zero."""
    script = arguments.command
    if arguments.background:
        script = _BACKGROUND.replace("SCRIPT", quote(script))
    completed = await sandbox.shell(
        script, timeout_seconds=arguments.timeout_seconds, on_output=on_output
    )
    return Outcome(
        output=_output_text(completed, arguments.timeout_seconds),
        exit_code=completed.exit_code,
        is_error=completed.is_timed_out,
        is_truncated=completed.is_truncated,
    )


def title(arguments: Bash) -> str:
    """Name what a script does that is one well-known command; show any other as it is."""
    name = purpose_of(arguments.command) or shown_in_a_line(arguments.command)
    return f"{name} (in the background)" if arguments.background else name


def _output_text(completed: CommandResult, timeout_seconds: int) -> str:
    lines = [completed.output.decode(errors="replace").rstrip("\n")]
    if completed.is_timed_out:
        lines.append(f"[stopped: it ran longer than {timeout_seconds} seconds]")
    if completed.note:
        lines.append(f"[{completed.note}]")
    if completed.exit_code:
        lines.append(f"exit code: {completed.exit_code}")
    return "\n".join(line for line in lines if line)


BASH: Final = Tool(
    name="bash",
    description=(
        "Run a script in a bash shell in the workspace. The directory, variables, functions, "
        "aliases, umask and background processes stay for the next call; options (set, shopt), "
        "traps and job numbers do not. There is no terminal: commands that ask for "
        "input get none. Standard output and error are returned together, and the exit code when "
        "it is not zero: of a pipe that ends well, that of a part that failed."
    ),
    arguments=Bash,
    title=title,
    run=run,
)
