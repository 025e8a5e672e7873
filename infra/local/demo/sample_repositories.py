"""Makes a real repository, with a history, out of a sample folder and pushes it to a forge.

Called by the demo and by tests. It speaks GitHub's REST API and git over HTTP and nothing else, so
any forge that speaks them will do; the token goes to git in its environment, never in a URL, an
argument or a file.
"""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from infra.runtime.clock import Clock
from infra.simulators.github.git.command import GitFailed, environment, output

# Each sample, and the task it was made for, in the words the rehearsal model knows.
PROMPTS = {
    "slugify": "The tests fail, fix it.",
    "inventory": "Add a method that lists what is running low, with tests.",
    "greeter": "Greet people without a name in a friendlier way; ask me how.",
}
_HELPER = (
    '!f() { test "$1" = get && printf "username=x-access-token\\npassword=%s\\n" "$GIT_TOKEN"; }; f'
)
_AUTHOR = {
    "GIT_AUTHOR_NAME": "Sample Author",
    "GIT_AUTHOR_EMAIL": "author@example.com",
    "GIT_COMMITTER_NAME": "Sample Author",
    "GIT_COMMITTER_EMAIL": "author@example.com",
}
# What was committed first, second and third; `{sample}` is the package's folder.
_HISTORY = (
    ("Say what it is", ("README.md", ".gitignore")),
    ("Write the first version", ("{sample}",)),
    ("Test what it promises", ("tests",)),
)
_SAMPLES = Path(__file__).parent / "samples"
_NAMES_TRIED = 1000
_TAKEN = 422
_CREATED = 201
_TIMEOUT_SECONDS = 30.0


class CannotMake(Exception):
    """The repository could not be made; the text says why and what to do about it."""


@dataclass(frozen=True)
class SampleRepository:
    """A repository on the forge. `url` is for git, `html_url` for people."""

    owner: str
    name: str
    url: str
    html_url: str
    default_branch: str


@dataclass(frozen=True)
class ForgeAccount:
    """A forge and the token that may create repositories there.

    `api_url` is the base of the REST API (…/api/v3), `path` the search path that leads to git.
    """

    api_url: str
    token: str
    path: str


async def create(
    sample: str,
    account: ForgeAccount,
    *,
    clock: Clock,
    name: str = "",
    private: bool = False,
) -> SampleRepository:
    """Create a repository for the sample and push its history to it.

    `name` defaults to the sample's own, with a number after it when that is taken. Raises
    CannotMake.
    """
    if sample not in PROMPTS:
        raise CannotMake(f"There is no sample {sample!r}; choose one of {', '.join(PROMPTS)}.")
    headers = {
        "Authorization": f"Bearer {account.token}",
        "Accept": "application/vnd.github+json",
        "User-Agent": "errand",
    }
    async with httpx.AsyncClient(headers=headers, timeout=_TIMEOUT_SECONDS) as client:
        made = await _create(client, account.api_url.rstrip("/"), name or sample, private=private)
    with tempfile.TemporaryDirectory(prefix="errand-sample-") as directory:
        await _push(sample, Path(directory), made, account, now=clock())
    return made


async def _create(
    client: httpx.AsyncClient, api_url: str, name: str, *, private: bool
) -> SampleRepository:
    for number in range(1, _NAMES_TRIED):
        wanted = name if number == 1 else f"{name}-{number}"
        try:
            answer = await client.post(
                f"{api_url}/user/repos", json={"name": wanted, "private": private}
            )
        except httpx.TransportError as error:
            raise CannotMake(
                f"The forge at {api_url} cannot be reached ({error}). Is it running?"
            ) from None
        if answer.status_code == _CREATED:
            return _made(answer.json())
        if answer.status_code != _TAKEN or "already exists" not in answer.text:
            raise CannotMake(
                f"The forge refused to create {wanted!r}: {answer.status_code} "
                f"{answer.text[:300]}. Check the token and what it may do."
            )
    raise CannotMake(f"All names from {name} to {name}-{_NAMES_TRIED} are taken; delete some.")


def _made(shape: Mapping[str, Any]) -> SampleRepository:
    return SampleRepository(
        owner=shape["owner"]["login"],
        name=shape["name"],
        url=shape["clone_url"],
        html_url=shape["html_url"],
        default_branch=shape["default_branch"],
    )


async def _push(
    sample: str, tree: Path, made: SampleRepository, account: ForgeAccount, *, now: datetime
) -> None:
    """Commit the sample's folder in three steps, a day apart, and push them."""
    variables = environment(account.path, {**_AUTHOR, "GIT_ALLOW_PROTOCOL": "http:https"})
    branch = made.default_branch
    git = ("git", "-C", str(tree))
    try:
        await output((*git, "init", "--quiet", f"--initial-branch={branch}"), variables)
        for age, (message, parts) in zip((3, 2, 1), _HISTORY, strict=True):
            _copy(sample, tree, [part.format(sample=sample) for part in parts])
            date = f"{int((now - timedelta(days=age)).timestamp())} +0000"
            dated = {**variables, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
            await output((*git, "add", "--all"), dated)
            await output((*git, "commit", "--quiet", "--message", message), dated)
        pushing = (*git, "-c", "credential.helper=", "-c", f"credential.helper={_HELPER}", "push")
        await output(
            (*pushing, "--quiet", "--", made.url, f"HEAD:refs/heads/{branch}"),
            {**variables, "GIT_TOKEN": account.token},
        )
    except GitFailed as error:
        raise CannotMake(f"git could not push the sample to {made.url}: {error}") from None


def _copy(sample: str, tree: Path, parts: list[str]) -> None:
    unwanted = shutil.ignore_patterns("__pycache__", "*.pyc")
    for part in parts:
        source = _SAMPLES / sample / part
        if source.is_dir():
            shutil.copytree(source, tree / part, ignore=unwanted)
        else:
            shutil.copyfile(source, tree / part)
