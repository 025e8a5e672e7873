"""Risks of tool calls, read off the tool and its arguments. Pure.

A convenience on top of the sandbox, not the wall. The wall is that there is no network, no key and
nothing to write but the workspace, whatever is run. This here only tells, before a call runs, what
a person would need to be asked about: deletions, writes outside the workspace, the network, package
installs, pushes, and files that the forge itself would run. What a script does by itself, once it
is started, is not seen.
"""

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from infra.git.forge_files import is_forge_file
from services.worker.agent.approvals.shell_parser import (
    SimpleCommand,
    UnreadableScript,
    simple_commands,
)

DELETING: Final = "deleting files"
DISCARDING: Final = "throwing work away"
NETWORK: Final = "reaching the network"
INSTALLING: Final = "installing packages"
PUSHING: Final = "pushing"
AS_ROOT: Final = "acting as root"
OUTSIDE: Final = "writing outside the workspace"
FOR_THE_FORGE: Final = "changing what the forge runs"
THIS_ALONE: Final = "this script alone"
"""A script that cannot be read beforehand: approval of one is none of the next."""

_SCRATCH: Final = ("/workspace", "/tmp", "/var/tmp")  # noqa: S108 - the sandbox's own, thrown away
_STREAMS: Final = re.compile(r"/dev/(null|stdout|stderr|tty|zero|fd/\d+)")
_LOOPBACK: Final = re.compile(
    r"([a-z+]+://)?([^@/]*@)?(localhost|127(\.\d+){3}|0\.0\.0\.0|\[::1\]|::1)([:/?#]|$)"
)
_HOST: Final = re.compile(r"[a-z+]+://|[\w.-]+\.[a-z]{2,}(:\d+)?(/|$)")
_IDLE: Final = frozenset({"--help", "--version", "--dry-run"})

_DELETERS: Final = frozenset({"rm", "rmdir", "unlink", "shred", "truncate"})
_REMOTE: Final = frozenset(
    {
        *("curl", "wget", "http", "https", "ssh", "scp", "sftp", "ftp", "telnet", "nc", "ncat"),
        *("netcat", "socat", "ping", "dig", "nslookup", "gh", "glab", "aws", "gcloud", "az"),
        "kubectl",
    }
)
_INSTALLS: Final[Mapping[str, frozenset[str]]] = {
    "pip": frozenset({"install", "download"}),
    "pipx": frozenset({"install", "run", "inject"}),
    "uv": frozenset({"add", "sync", "tool"}),
    "poetry": frozenset({"add", "install", "update"}),
    "conda": frozenset({"install", "create", "update"}),
    "npm": frozenset({"install", "i", "ci", "add", "update"}),
    "pnpm": frozenset({"install", "i", "add", "update", "dlx"}),
    "yarn": frozenset({"install", "add", "upgrade"}),
    "bun": frozenset({"install", "add"}),
    "apt": frozenset({"install", "upgrade"}),
    "apt-get": frozenset({"install", "upgrade"}),
    "dnf": frozenset({"install"}),
    "yum": frozenset({"install"}),
    "apk": frozenset({"add"}),
    "brew": frozenset({"install"}),
    "gem": frozenset({"install"}),
    "bundle": frozenset({"install", "update"}),
    "cargo": frozenset({"install", "add"}),
    "go": frozenset({"install", "get"}),
    "composer": frozenset({"install", "require", "update"}),
}
_PUBLISHES: Final[Mapping[str, frozenset[str]]] = {
    "git": frozenset({"push", "send-email"}),
    "npm": frozenset({"publish"}),
    "cargo": frozenset({"publish"}),
    "poetry": frozenset({"publish"}),
    "uv": frozenset({"publish"}),
    "twine": frozenset({"upload"}),
    "docker": frozenset({"push"}),
    "gem": frozenset({"push"}),
}
_GIT_REMOTE: Final = frozenset({"clone", "fetch", "pull", "ls-remote"})
_WRITES_ALL: Final = frozenset({"tee", "touch", "mkdir", "chmod", "chown"})
_WRITES_LAST: Final = frozenset({"cp", "mv", "ln", "install"})


def risks_of(tool: str, arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Name each kind of risk in a call, once; nothing when there is none."""
    match tool, arguments:
        case (("write" | "edit"), {"path": str(path)}):
            return tuple(dict.fromkeys(_written(path, is_at_root=True)))
        case "bash", {"command": str(script)}:
            return _of_script(script)
        case _:
            return ()


@lru_cache(maxsize=32)  # the loop asks about the same call after every event
def _of_script(script: str) -> tuple[str, ...]:
    try:
        commands = list(simple_commands(script))
    except UnreadableScript:
        return (THIS_ALONE,)
    is_at_root = not any(command.program in ("cd", "pushd") for command in commands)
    found = (risk for command in commands for risk in _of_command(command, is_at_root))
    return tuple(dict.fromkeys(found))


def _of_command(command: SimpleCommand, is_at_root: bool) -> Iterator[str]:  # noqa: FBT001 - one caller
    for target in command.targets:
        yield from _written(target, is_at_root=is_at_root)
    if _IDLE & set(command.arguments):
        return
    for kind in _KINDS:
        yield from kind(command)
    for path in _files_written_by(command):
        yield from _written(path, is_at_root=is_at_root)


def _deletions(command: SimpleCommand) -> Iterator[str]:
    program, arguments = command.program, command.arguments
    if program in _DELETERS and not _is_scratch(_operands(arguments)):
        yield DELETING
    if program == "find" and ({"-delete"} & set(arguments) or _DELETERS & set(arguments)):
        yield DELETING
    if program == "git":
        verb, *rest = _git_words(arguments) or [""]
        if _discards(verb, rest):
            yield DISCARDING


def _discards(verb: str, rest: Sequence[str]) -> bool:
    match verb:
        case "clean":
            return "-n" not in rest
        case "rm":
            return "--cached" not in rest
        case "reset":
            return "--hard" in rest
        case "restore":
            return "--staged" not in rest or "--worktree" in rest
        case "checkout":
            return bool({"--", ".", "-f", "--force"} & set(rest))
        case "stash":
            return bool({"drop", "clear"} & set(rest))
        case _:
            return False


def _network(command: SimpleCommand) -> Iterator[str]:
    program, arguments = command.program, command.arguments
    operands = _operands(arguments)
    is_remote = program in _REMOTE or (
        program == "rsync" and any(":" in operand for operand in operands)
    )
    if is_remote and not _is_loopback(operands):
        yield NETWORK
    if program == "git":
        verb, *rest = _git_words(arguments) or [""]
        is_submodules = verb == "submodule" and bool({"add", "update"} & set(rest))
        if (verb in _GIT_REMOTE or is_submodules) and not _is_loopback(_operands(rest)):
            yield NETWORK


def _installs(command: SimpleCommand) -> Iterator[str]:
    program, words = command.program, _operands(command.arguments)
    if program == "uv" and words[:1] == ["pip"]:
        program, words = "pip", words[1:]
    program = "pip" if re.fullmatch(r"pip[\d.]*", program) else program
    verb = words[0] if words else ("install" if program == "yarn" else "")
    if verb in _INSTALLS.get(program, ()):
        yield INSTALLING


def _pushes(command: SimpleCommand) -> Iterator[str]:
    words = (
        _git_words(command.arguments) if command.program == "git" else _operands(command.arguments)
    )
    if words and words[0] in _PUBLISHES.get(command.program, ()):
        yield PUSHING


def _as_root(command: SimpleCommand) -> Iterator[str]:
    if command.program in ("sudo", "su", "doas"):
        yield AS_ROOT


_KINDS: Final[Sequence[Callable[[SimpleCommand], Iterator[str]]]] = (
    _deletions,
    _network,
    _installs,
    _pushes,
    _as_root,
)


def files_changed_by(command: SimpleCommand) -> tuple[str, ...]:
    """Name the files that a command writes or deletes, as far as its words tell."""
    deleted = _operands(command.arguments) if command.program in _DELETERS else ()
    if command.program == "git":
        verb, *rest = _git_words(command.arguments) or [""]
        deleted = _operands(rest) if verb in ("rm", "mv", "restore", "checkout") else ()
    return (*command.targets, *_files_written_by(command), *deleted)


def _files_written_by(command: SimpleCommand) -> Sequence[str]:
    operands = _operands(command.arguments)
    if command.program in _WRITES_ALL:
        return operands
    if command.program in _WRITES_LAST:
        return operands[-1:]
    if command.program == "dd":
        return [word[3:] for word in command.arguments if word.startswith("of=")]
    is_in_place = any(re.match(r"-\w*i|--in-place", word) for word in command.arguments)
    if command.program in ("sed", "perl") and is_in_place:
        return operands[1:]
    return []


def _written(path: str, *, is_at_root: bool) -> Iterator[str]:
    """Yield the risks of writing a file. Where a script changes directory, `..` says little."""
    place = posixpath.normpath(path)
    if is_forge_file(place):
        yield FOR_THE_FORGE
    is_above = place == ".." or place.startswith("../")
    is_elsewhere = place.startswith("/") and not _is_within(place) and not _STREAMS.fullmatch(place)
    is_at_home = path.startswith(("~", "$HOME", "${HOME"))
    if is_elsewhere or is_at_home or (is_above and is_at_root):
        yield OUTSIDE


def _is_within(place: str) -> bool:
    return any(place == root or place.startswith(f"{root}/") for root in _SCRATCH)


def _is_scratch(paths: Sequence[str]) -> bool:
    """Return whether all paths are of the sandbox's own, outside the workspace."""
    places = [posixpath.normpath(path) for path in paths]
    return bool(places) and all(
        place.startswith("/") and _is_within(place) and not place.startswith("/workspace")
        for place in places
    )


def _is_loopback(operands: Sequence[str]) -> bool:
    near = [operand for operand in operands if _LOOPBACK.match(operand)]
    far = [operand for operand in operands if _HOST.match(operand) and operand not in near]
    return bool(near) and not far


def _operands(arguments: Sequence[str]) -> list[str]:
    return [word for word in arguments if not word.startswith("-")]


def _git_words(arguments: Sequence[str]) -> list[str]:
    """Return git's subcommand and what follows it, past the options of git itself."""
    words = list(arguments)
    while words and words[0].startswith("-"):
        del words[: 2 if words[0] in ("-C", "-c", "--git-dir", "--work-tree") else 1]
    return words
