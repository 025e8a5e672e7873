"""git in one folder of the person's. What it refuses becomes a cause and a remedy."""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from clients.cli.errors import Trouble

NO_ENVIRONMENT: Final[Mapping[str, str]] = MappingProxyType({})

_DEFAULT_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
_HELPER: Final = (
    '!f() { test "$1" = get && printf "username=errand\\npassword=%s\\n" "$GIT_TOKEN"; }; f'
)
# Whose repositories are safe is said below HOME.
_KEPT: Final = ("HOME", "XDG_CONFIG_HOME")
# What the person's own remotes may need: never given to git for Errand's forge.
_FOR_REMOTES: Final = (
    *("SSH_AUTH_SOCK", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSL_CAINFO", "SSL_CERT_FILE"),
    *("SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"),
    *("http_proxy", "https_proxy", "no_proxy", "all_proxy"),
)
# What a person has set for their own remotes is not for Errand's forge.
_FOR_THE_FORGE: Final = {
    "credential.helper": _HELPER,
    "core.hooksPath": "/dev/null",
    "http.proxy": "",
    "http.extraHeader": "",
    "push.pushOption": "",
}
_OBJECT: Final = re.compile(r"object ([0-9a-f]{7,64}): (\w+)")


class GitFailed(Trouble):
    """git said no. `said` is its own text, for whoever knows more than this module."""

    def __init__(self, what: str, remedy: str, *, said: str) -> None:
        super().__init__(what, remedy)
        self.said = said


class Git:
    """Never asks a person; tokens reach it by its environment alone."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._all = environment
        self._environment = {
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
            "PATH": environment.get("PATH") or _DEFAULT_PATH,
            **{name: environment[name] for name in _KEPT if environment.get(name)},
        }

    async def run(
        self,
        *arguments: str,
        token: str = "",
        is_for_remote: bool = False,
        more: Mapping[str, str] = NO_ENVIRONMENT,
    ) -> str:
        """Run one command; return what it wrote, without the last line's end. Raises GitFailed.

        With `token` it speaks to Errand's forge; `is_for_remote` to a remote of the person's.
        """
        environment = {**self._environment, **more}
        if token:
            environment |= {"GIT_TOKEN": token, **_configuration()}
        if is_for_remote:
            environment |= {n: self._all[n] for n in _FOR_REMOTES if self._all.get(n)}
        try:
            child = await asyncio.create_subprocess_exec(
                "git", "-C", str(self._folder), *arguments,
                env=environment, stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
        except FileNotFoundError:
            raise Trouble("git is not on the PATH.", "Install it.") from None
        output, errors = await child.communicate()
        if child.returncode != 0:
            said = errors.decode(errors="replace").strip() or f"exit code {child.returncode}"
            raise _failure(arguments[0], self._folder, said)
        return output.decode(errors="surrogateescape").rstrip("\n")

    async def says(self, *arguments: str) -> str:
        """Run a command that answers by its exit code; empty where it says no."""
        try:
            return await self.run(*arguments)
        except GitFailed:
            return ""


def _configuration() -> dict[str, str]:
    pairs = [("credential.helper", ""), *_FOR_THE_FORGE.items()]  # the empty one drops all others
    settings = {"GIT_CONFIG_COUNT": str(len(pairs))}
    for number, (key, value) in enumerate(pairs):
        settings |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return settings


def _failure(command: str, folder: Path, said: str) -> GitFailed:
    what, remedy = explained(folder, said)
    return GitFailed(what or f"git {command} in {folder} failed: {said}", remedy, said=said)


def explained(folder: Path, said: str) -> tuple[str, str]:
    """Give cause and remedy of what git often says; both empty for what is not known."""
    if "dubious ownership" in said:
        return (
            f"{folder} belongs to another user, and git does not touch such a repository.",
            f"If you trust it: git config --global --add safe.directory {folder}",
        )
    if "not a git repository" in said:
        return (
            f"{folder} is not a git repository.",
            "Go to one, or name one with --repository: a folder or a URL.",
        )
    if "shallow update not allowed" in said:
        return (
            f"{folder} is a shallow clone: it lacks its older history, and a forge needs that.",
            "`git fetch --unshallow` in it brings the history; then send the task again.",
        )
    if "exceeds maximum allowed size" in said:
        return (
            f"{folder} is larger than the 512 MiB that the local forge takes in one push.",
            "Take large files out of its history, or use a repository on GitHub or GitLab.",
        )
    if matched := _OBJECT.search(said):
        return (
            f"The forge refuses {folder}: its object {matched[1][:12]} is damaged ({matched[2]}).",
            "`git fsck` in it shows more. A clone from a place that takes it may be sound.",
        )
    if "Permission denied" in said and "unable to" in said:
        return (f"git may not read or write in {folder}: {said}", "Check who owns its files.")
    return "", ""
