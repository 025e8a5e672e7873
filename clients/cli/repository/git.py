"""Runner of git in one local folder; git's errors become cause and remedy."""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from clients.cli.errors import CliError

NO_ENVIRONMENT: Final[Mapping[str, str]] = MappingProxyType({})

_DEFAULT_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
_HELPER: Final = (
    '!f() { test "$1" = get && printf "username=errand\\npassword=%s\\n" "$GIT_TOKEN"; }; f'
)
# The setting safe.directory is read from files below HOME.
_PASSED_VARIABLES: Final = ("HOME", "XDG_CONFIG_HOME")
# Variables that the user's own remotes may need; never passed to git for the local forge.
_FOR_REMOTES: Final = (
    *("SSH_AUTH_SOCK", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSL_CAINFO", "SSL_CERT_FILE"),
    *("SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"),
    *("http_proxy", "https_proxy", "no_proxy", "all_proxy"),
)
# Settings that the user made for their own remotes must not apply to the local forge.
_FOR_THE_FORGE: Final = {
    "credential.helper": _HELPER,
    "core.hooksPath": "/dev/null",
    "http.proxy": "",
    "http.extraHeader": "",
    "push.pushOption": "",
}
_OBJECT: Final = re.compile(r"object ([0-9a-f]{7,64}): (\w+)")


class GitFailed(CliError):
    """git failed. `said` is its own message."""

    def __init__(self, what: str, remedy: str, *, said: str) -> None:
        super().__init__(what, remedy)
        self.said = said


class Git:
    """Non-interactive git in one folder; tokens are passed by environment variable only."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._all = environment
        self._environment = {
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
            "PATH": environment.get("PATH") or _DEFAULT_PATH,
            **{name: environment[name] for name in _PASSED_VARIABLES if environment.get(name)},
        }

    async def run(
        self,
        *arguments: str,
        token: str = "",
        is_for_remote: bool = False,
        more: Mapping[str, str] = NO_ENVIRONMENT,
    ) -> str:
        """Run one command; return its output without the final newline. Raises GitFailed.

        `token` is for the local forge; `is_for_remote` for a remote of the user.
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
            raise CliError("git was not found on the PATH.", "Install git and try again.") from None
        output, errors = await child.communicate()
        if child.returncode != 0:
            said = errors.decode(errors="replace").strip() or f"exit code {child.returncode}"
            raise _failure(arguments[0], self._folder, said)
        return output.decode(errors="surrogateescape").rstrip("\n")

    async def try_run(self, *arguments: str) -> str:
        """Run a command; return its output, or an empty string when it fails."""
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
    what, remedy = explain_git_error(folder, said)
    return GitFailed(what or f"git {command} in {folder} failed: {said}", remedy, said=said)


def explain_git_error(folder: Path, said: str) -> tuple[str, str]:
    """Return cause and remedy of a frequent git error; both empty for any other."""
    if "dubious ownership" in said:
        return (
            f"{folder} belongs to another user, and git refuses to use such a repository.",
            f"If you trust it: git config --global --add safe.directory {folder}",
        )
    if "not a git repository" in said:
        return (
            f"{folder} is not a git repository.",
            "Change to a repository, or give one with --repository: a folder or a URL.",
        )
    if "shallow update not allowed" in said:
        return (
            f"{folder} is a shallow clone: it lacks the older history that a forge needs.",
            "Run `git fetch --unshallow` in it, then send the task again.",
        )
    if "exceeds maximum allowed size" in said:
        return (
            f"{folder} is larger than 512 MiB, the limit of the local forge per push.",
            "Remove large files from its history, or use a repository on GitHub or GitLab.",
        )
    if matched := _OBJECT.search(said):
        return (
            f"The forge refuses {folder}: its object {matched[1][:12]} is damaged ({matched[2]}).",
            "Run `git fsck` in it for details. A fresh clone from its origin may be intact.",
        )
    if "Permission denied" in said and "unable to" in said:
        return (
            f"git is not permitted to read or write in {folder}: {said}",
            "Check the owner and permissions of its files.",
        )
    return "", ""
