"""Report of a set-up, for people and for the agent. Pure."""

from typing import Final

from events import EnvironmentDefinition, EnvironmentPrepared
from services.worker.agent.text.excerpt import excerpt

LAST_LINES: Final = 30
_LAST_BYTES: Final = 4096
_NOT_FOUND: Final = 127
_MAX_NAMED: Final = 10
_MAX_SCRIPT_CHARACTERS: Final = 600
_NO_SET_UP: Final = (
    "No set-up was run: the repository names none, and has no files of a package manager that "
    "Errand knows."
)
_NO_NETWORK: Final = (
    "You have no network. What is needed and not installed cannot be fetched; say so rather than "
    "pretend."
)


def setup_problem(
    definition: EnvironmentDefinition, *, exit_code: int, is_timed_out: bool, note: str = ""
) -> str:
    """Return the cause and the remedy of a set-up that did not end well; empty when it did."""
    if is_timed_out:
        return (
            f"Set-up was stopped after {definition.timeout_seconds} s. Make it shorter, or raise "
            "`timeout_seconds`. The agent goes on without it."
        )
    if exit_code == 0:
        return ""
    cause = f"Set-up ended with exit code {exit_code}."
    if note:
        cause += f" {note}"
    if exit_code == _NOT_FOUND:
        cause += " A program that it calls is not there."
    if definition.egress == "off" and not definition.allow:
        cause += " It had no network (`egress` is off)."
    return f"{cause} See its last lines, and correct `setup`. The agent goes on without it."


def start_problem(exit_code: int, *, is_timed_out: bool) -> str:
    """Return the cause and the remedy of a `start` that did not end well; empty when it did."""
    if is_timed_out:
        return (
            "`start` did not end in time. Put what shall go on running into the background (`&`)."
        )
    if exit_code == 0:
        return ""
    return f"`start` ended with exit code {exit_code}. See its last lines, and correct it."


def environment_notice(prepared: EnvironmentPrepared) -> str:
    """Return the notice before the agent's next reply; empty when all went well."""
    if not prepared.problem:
        return ""
    lines = ["[The repository's set-up is not complete.", prepared.problem]
    if prepared.output and prepared.exit_code:
        last = "\n".join(prepared.output.rstrip().splitlines()[-LAST_LINES:])
        lines += ["Its last lines:", excerpt(last, _LAST_BYTES)[0]]
    lines.append("What it was to install may be missing. Do what can be done, and say so.]")
    return "\n".join(lines)


def environment_lines(prepared: EnvironmentPrepared | None) -> list[str]:
    """Return the lines of the system prompt on set-up and network: the truth for this task."""
    if prepared is None:
        return [
            _NO_SET_UP,
            *_network(EnvironmentDefinition()),
        ]
    return [*_set_up(prepared), *_network(prepared.definition)]


def _set_up(prepared: EnvironmentPrepared) -> list[str]:
    definition = prepared.definition
    lines = []
    if prepared.problem and prepared.exit_code:
        lines.append(
            f"The repository's set-up ({prepared.reason}) failed; what it installs may be missing."
        )
    elif prepared.problem:
        lines.append(
            f"The repository's set-up ({prepared.reason}) is not complete: {prepared.problem}"
        )
    elif prepared.cached:
        lines.append(f"The repository's set-up ({prepared.reason}) is in place, from the cache.")
    elif definition.setup:
        lines.append(f"The repository's set-up ({prepared.reason}) was run, and ended well.")
    if definition.setup:
        lines.append(f"It is: {_short(definition.setup)}")
    if prepared.changed:
        named = ", ".join(prepared.changed[:_MAX_NAMED])
        lines.append(f"It changed files of the repository, which were put back: {named}.")
    if definition.setup:
        lines.append("What it added (such as installed packages) is not part of your work.")
    return lines


def _network(definition: EnvironmentDefinition) -> list[str]:
    hosts = ", ".join(definition.allow)
    match definition.agent_egress:
        case "off" if not hosts:
            return [
                _NO_NETWORK,
            ]
        case "off":
            return [f"You have no network but these hosts, by HTTP and HTTPS: {hosts}."]
        case "registries":
            others = f", and {hosts}" if hosts else ""
            return [
                f"By HTTP and HTTPS you reach the registries of package managers{others}; no more."
            ]
        case _:
            return ["By HTTP and HTTPS you reach public hosts; no private address."]


def _short(script: str) -> str:
    line = " ; ".join(filter(None, (part.strip() for part in script.splitlines())))
    return line if len(line) <= _MAX_SCRIPT_CHARACTERS else line[: _MAX_SCRIPT_CHARACTERS - 1] + "…"
