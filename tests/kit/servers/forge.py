"""The local forge as a process of its own, as in `make run`, to clone from and push to."""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from infra.local.demo import sample_repositories
from infra.local.demo.sample_repositories import ForgeAccount, SampleRepository
from infra.runtime.clock import utc_now
from tests.kit.paths import ROOT

TOKEN = "ghp_a-token-for-tests-only"
LOGIN = "errand"
OAUTH_CLIENT, OAUTH_SECRET = "errand-test", "oauth-secret-for-tests-only"
CALLBACK = "/sign-in/github/callback"


@dataclass(frozen=True)
class LocalForge:
    """A running forge. `url` is its site, `api_url` its REST API."""

    url: str
    token: str
    login: str
    directory: Path
    pid: int

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/v3"

    @property
    def account(self) -> ForgeAccount:
        return ForgeAccount(api_url=self.api_url, token=self.token, path=os.environ["PATH"])

    @property
    def basic(self) -> str:
        """Authorization header as git sends it."""
        return "Basic " + base64.b64encode(f"x-access-token:{self.token}".encode()).decode()

    def client(self, token: str | None = TOKEN) -> httpx.Client:
        """A client of the REST API; without a token it is nobody."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.api_url, headers=headers, timeout=30)

    def clone_url(self, name: str) -> str:
        return f"{self.url}/{self.login}/{name}.git"

    def create(self, name: str, *, private: bool = True, auto_init: bool = True) -> str:
        """Create a repository; return the URL git wants."""
        body = {"name": name, "private": private, "auto_init": auto_init}
        with self.client() as client:
            answer = client.post("/user/repos", json=body)
        assert answer.status_code == 201, answer.text
        return self.clone_url(name)

    async def sample(self, sample: str, *, private: bool = True) -> SampleRepository:
        """Create a sample repository with its history."""
        return await sample_repositories.create(
            sample, self.account, clock=utc_now, private=private
        )

    def order(self, rule: str, **more: object) -> None:
        """Order a fault: refuse_push, drop_push_reply, fail or slow (simulators/github)."""
        with httpx.Client() as client:
            answer = client.post(f"{self.url}/faults", json={"rule": rule, **more})
        assert answer.status_code == 200, answer.text

    def clear_faults(self) -> None:
        with httpx.Client() as client:
            assert client.delete(f"{self.url}/faults").status_code == 200


@contextmanager
def running_forge(directory: Path, **settings: str) -> Iterator[LocalForge]:
    """Run a forge on an ephemeral loopback port until the block is left."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DIRECTORY": str(directory),
        "FORGE_TOKEN": TOKEN,
        "FAULTS": "1",
        "OAUTH_CLIENT_ID": OAUTH_CLIENT,
        "OAUTH_CLIENT_SECRET": OAUTH_SECRET,
        "OAUTH_CALLBACK_URL": f"http://127.0.0.1{CALLBACK}",
        **settings,
    }
    command = [sys.executable, "-m", "infra.simulators.github"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, "the forge ended before it listened; what it said is above"
            yield LocalForge(json.loads(line)["url"], TOKEN, LOGIN, directory, process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=15)


@pytest.fixture(scope="session")
def forge_process() -> Iterator[LocalForge]:
    """One forge for the whole session; ask for `forge`."""
    with (
        tempfile.TemporaryDirectory(prefix="errand-forge-") as directory,
        running_forge(Path(directory)) as running,
    ):
        yield running


@pytest.fixture
def forge(forge_process: LocalForge) -> Iterator[LocalForge]:
    """A forge that is empty and takes orders of faults; emptied again after the test."""
    yield forge_process
    forge_process.clear_faults()
    for owner in (forge_process.directory / "repositories").iterdir():
        shutil.rmtree(owner)


_HELPER = (
    '!f() { test "$1" = get && printf "username=x-access-token\\npassword=%s\\n" "$GIT_TOKEN"; }; f'
)


@dataclass(frozen=True)
class GitOutcome:
    """The end of a git command."""

    code: int
    output: str
    errors: str


def git(
    *arguments: str | Path,
    token: str | None = TOKEN,
    inside: Path | None = None,
    extra: Mapping[str, str] | None = None,
    text: str = "",
) -> GitOutcome:
    """Run a real git client; `token` is what it answers when asked for a password."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.com",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.com",
        **(extra or {}),
    }
    helper = ["-c", "credential.helper="]
    if token is not None:
        environment["GIT_TOKEN"] = token
        helper += ["-c", f"credential.helper={_HELPER}"]
    command = ["git", *helper, *map(str, arguments)]
    ended = subprocess.run(
        command,
        env=environment,
        cwd=inside,
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return GitOutcome(ended.returncode, ended.stdout, ended.stderr)


def git_ok(*arguments: str | Path, inside: Path | None = None, token: str | None = TOKEN) -> str:
    """Run a real git client that has to succeed; return what it wrote."""
    ended = git(*arguments, inside=inside, token=token)
    assert ended.code == 0, ended.errors
    return ended.output.strip()
