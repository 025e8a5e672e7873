"""Lends a local repository to the stack's forge, and brings the branch back.

A worker is another machine: it can only clone from a forge. So the repository's current branch is
pushed to the local forge over the same API a GitHub client uses, and when the task has ended its
branch is fetched into the local repository.
"""

import asyncio
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import httpx

from clients.cli.sign_in import Forge
from clients.cli.trouble import Trouble

_NO_ENVIRONMENT: Mapping[str, str] = MappingProxyType({})
_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
_CREATED, _EXISTS = 201, 422
_HELPER = '!f() { test "$1" = get && printf "username=errand\\npassword=%s\\n" "$GIT_TOKEN"; }; f'


class Lent(NamedTuple):
    """A local repository and where the forge has it."""

    path: Path
    url: str
    base: str


async def lend(
    path: Path, base: str, forge: Forge, *, environment: Mapping[str, str] = _NO_ENVIRONMENT
) -> Lent:
    """Push a local repository's branch to the forge. Raises Trouble with git's own words.

    Of `environment` git is handed PATH and HOME alone.
    """
    if not forge.url:
        raise Trouble(
            f"{path} is a folder of this machine, and no local stack runs here to lend it to.",
            "Start one with `make run`, or give the repository's URL.",
        )
    git = _Git(path, environment)
    top = Path(await git.run("rev-parse", "--show-toplevel"))
    branch = base or await git.run("branch", "--show-current")
    if not branch:
        raise Trouble(f"{top} is not on a branch.", "Say which one with --base.")
    try:
        await git.run("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}")
    except Trouble:
        raise Trouble(
            f"{top} has no branch {branch} with a commit on it.",
            "Commit something there, or say which branch with --base.",
        ) from None
    name = f"{_slug(top.name)}-{hashlib.sha256(str(top).encode()).hexdigest()[:6]}"
    owner = await _create(forge, name)
    url = f"{forge.url}/{owner}/{name}.git"
    refs = f"+refs/heads/{branch}:refs/heads/{branch}"
    await git.run("push", "--quiet", "--no-verify", url, refs, token=forge.token)
    return Lent(top, url, branch)


async def bring_back(
    lent: Lent, branch: str, forge: Forge, *, environment: Mapping[str, str] = _NO_ENVIRONMENT
) -> None:
    """Fetch the task's branch into the local repository, under the same name.

    Commits a person has made on it meanwhile are never lost: git refuses, and Trouble says so.
    """
    refs = f"refs/heads/{branch}:refs/heads/{branch}"
    git = _Git(lent.path, environment)
    try:
        await git.run("fetch", lent.url, refs, token=forge.token)
    except Trouble as trouble:
        raise Trouble(
            trouble.what, f"The work is safe at {lent.url}, on the branch {branch}."
        ) from None


async def _create(forge: Forge, name: str) -> str:
    headers = {"Authorization": f"Bearer {forge.token}", "User-Agent": "errand"}
    async with httpx.AsyncClient(base_url=forge.api_url, headers=headers, timeout=20) as client:
        try:
            owner = str((await client.get("/user")).raise_for_status().json()["login"])
            answer = await client.post("/user/repos", json={"name": name, "private": True})
        except httpx.HTTPError as error:
            raise Trouble(
                f"The local forge did not answer: {error}", "`errand doctor` looks."
            ) from None
    if answer.status_code not in (_CREATED, _EXISTS):
        raise Trouble(f"The forge refused to make {name}: {answer.text[:200]}")
    return owner


class _Git:
    """git in one folder; it never asks a person, and tokens reach it by its environment alone."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = {
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
            "PATH": environment.get("PATH") or _DEFAULT_PATH,
        }
        if home := environment.get("HOME"):
            self._environment["HOME"] = home  # whose repositories are safe is said there

    async def run(self, *arguments: str, token: str = "") -> str:
        """Run one command; return what it said. Raises Trouble with its own words."""
        environment = self._environment
        if token:
            environment = environment | {
                "GIT_TOKEN": token,
                "GIT_CONFIG_COUNT": "2",
                "GIT_CONFIG_KEY_0": "credential.helper",
                "GIT_CONFIG_VALUE_0": "",
                "GIT_CONFIG_KEY_1": "credential.helper",
                "GIT_CONFIG_VALUE_1": _HELPER,
            }
        try:
            child = await asyncio.create_subprocess_exec(
                "git", "-C", str(self._folder), *arguments,
                env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
        except FileNotFoundError:
            raise Trouble("git is not on the PATH.", "Install it.") from None
        output, errors = await child.communicate()
        if child.returncode != 0:
            said = errors.decode(errors="replace").strip() or f"exit code {child.returncode}"
            raise Trouble(f"git {arguments[0]} in {self._folder}: {said}")
        return output.decode(errors="replace").strip()


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "repository"
