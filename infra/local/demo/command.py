"""`make demo`: one real task from end to end, in the terminal, with nothing acted.

A real repository with a failing test is made on the local forge; a client pairs like a phone and
sends the task through the gateway's public API; the worker fixes the code in its sandbox; the
branch and the pull request are looked up at the forge, and the tests are run on what was pushed.
The model is the rehearsal model, always, so that the demo costs nothing. The last line printed is
one JSON object.
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil

from infra.local.demo.sample_repositories import (
    PROMPTS,
    CannotMake,
    ForgeAccount,
    SampleRepository,
    create,
)
from infra.local.home import AlreadyRunning, inhabited
from infra.local.process.child import FailedToStart
from infra.local.settings import Settings, passed_on
from infra.local.stack import ListenAddress, Stack, running_stack
from infra.runtime.clock import utc_now
from infra.runtime.settings import Misconfigured, read
from infra.simulators.github.git.command import GitFailed, environment, output

_SAMPLE = "slugify"
_TIMEOUT_SECONDS = 60.0
_WORKER = "services.worker"
_HELPER = '!f() { test "$1" = get && printf \'username=errand\\npassword=%s\\n\' "$GIT_TOKEN"; }; f'


class _Failed(Exception):
    """The demo did not end as it should; the text says what is missing."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The demo's last line. Times in seconds, money in millionths of a US dollar."""

    task: str
    phase: str
    attempts: int
    events: int
    branch: str
    pull_request: str
    cost_microusd: int
    start_seconds: float
    seconds: float


def main(arguments: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run the demo; answer the exit code: 0 when the tests pass on the pushed branch."""
    parser = argparse.ArgumentParser(prog="make demo")
    parser.add_argument("--kill", choices=["worker"], help="kill -9 the worker on the way")
    parser.add_argument("--directory", type=Path, default=Path(".errand") / "demo")
    options = parser.parse_args(arguments)
    try:
        outcome = asyncio.run(_demo(options.directory, variables, kill=bool(options.kill)))
    except (AlreadyRunning, CannotMake, FailedToStart, GitFailed, Misconfigured, _Failed) as error:
        sys.stderr.write(f"The demo failed: {error}\n")
        return 1
    sys.stdout.write(msgspec.json.encode(outcome).decode() + "\n")
    return 0


async def _demo(directory: Path, variables: Mapping[str, str], *, kill: bool) -> Outcome:
    chosen = read(Settings, variables)
    settings = Settings(sandbox=chosen.sandbox, docker_host=chosen.docker_host)
    with inhabited(directory, passed_on(variables)) as home:
        _say("Starting nats-server, PostgreSQL, Redis, S3, forge, machines, model and services …")
        async with running_stack(
            home, settings, _say, clock=utc_now, listen=ListenAddress()
        ) as stack:
            account = ForgeAccount(stack.forge.api_url, stack.forge.token, variables["PATH"])
            repository = await create(_SAMPLE, account, clock=utc_now)
            _say(f"A repository with a failing test: {repository.html_url}")
            token = await _pair(stack)
            client = httpx.AsyncClient(
                base_url=stack.gateway_url,
                headers={"Authorization": f"Bearer {token}"},
                timeout=_TIMEOUT_SECONDS,
                trust_env=False,
            )
            async with client:
                task = await _send(client, stack, repository, token=token, kill=kill)
                await _show_diff(client, task)
            await _check(stack, repository, task, home.environment)
            return await _outcome(task)


async def _pair(stack: Stack) -> str:
    """Sign in as a phone does, with a pairing code; then make a key, which lasts for the demo."""
    pairing = await stack.pair()
    body = {"code": pairing.code, "device": {"name": "demo", "platform": "cli"}}
    async with httpx.AsyncClient(base_url=stack.gateway_url, trust_env=False) as client:
        session = (await client.post("/v1/sessions", json=body)).raise_for_status().json()
        headers = {"Authorization": f"Bearer {session['token']}"}
        answer = await client.post("/v1/keys", json={"name": "demo"}, headers=headers)
    return str(answer.raise_for_status().json()["token"])


async def _send(
    client: httpx.AsyncClient, stack: Stack, repository: SampleRepository, *, token: str, kill: bool
) -> dict[str, Any]:
    """Send the task with the `errand` command and let it show every step; return the task."""
    command = (sys.executable, "-m", "clients.cli", "--gateway", stack.gateway_url, "run")
    child = await asyncio.create_subprocess_exec(
        *command,
        PROMPTS[_SAMPLE],
        "--repository",
        repository.url,
        env={**stack.servers.home.environment, **_terminal(), "ERRAND_TOKEN": token},
    )
    async with asyncio.TaskGroup() as group:
        killing = group.create_task(_kill_worker(client)) if kill else None
        code = await child.wait()
        if killing is not None:
            killing.cancel()
    tasks = (await client.get("/v1/tasks", params={"limit": 1})).raise_for_status().json()["data"]
    if code != 0 or not tasks:
        raise _Failed(f"`errand run` ended with exit code {code}; see {stack.servers.home.logs}")
    task: dict[str, Any] = tasks[0]
    events = await client.get(f"/v1/tasks/{task['id']}/events", params={"limit": 500})
    return {**task, "history": events.raise_for_status().json()["data"]}


async def _kill_worker(client: httpx.AsyncClient) -> None:
    """Kill the worker without warning once its first tool call has ended."""
    task, after = "", 0
    while not task:
        data = (await client.get("/v1/tasks", params={"limit": 1})).json()["data"]
        task = (
            data[0]["id"] if data and data[0]["phase"] in ("queued", "starting", "working") else ""
        )
        await asyncio.sleep(0.05)
    while True:
        query = {"after": after, "wait": 20}
        page = (await client.get(f"/v1/tasks/{task}/events", params=query)).json()["data"]
        if any(event["type"] == "tool.completed" for event in page):
            break
        after = page[-1]["version"] if page else after
    for child in psutil.Process().children(recursive=True):
        if _WORKER in child.cmdline():
            _say(f"kill -9 {child.pid} (the worker)")
            child.send_signal(signal.SIGKILL)


async def _show_diff(client: httpx.AsyncClient, task: Mapping[str, Any]) -> None:
    diff = (await client.get(f"/v1/tasks/{task['id']}/diff")).raise_for_status().text
    _say(f"\nThe diff of pull request {(task.get('pull_request') or {}).get('url', '')}\n")
    _say("\n".join(_coloured(line) for line in diff.splitlines()))


def _coloured(line: str) -> str:
    colour = {"+": "32", "-": "31", "@": "36"}.get(line[:1])
    plain = "".join(c for c in line if c.isprintable() or c == "\t")
    return f"\033[{colour}m{plain}\033[0m" if colour and sys.stdout.isatty() else plain


async def _check(
    stack: Stack, repository: SampleRepository, task: Mapping[str, Any], plain: Mapping[str, str]
) -> None:
    """Clone what was pushed and run its tests; ask the forge for the pull request."""
    if not task.get("branch") or not task.get("pull_request"):
        raise _Failed(f"no branch or no pull request came of it: {task}")
    await _one_pull_request(stack, repository, task["branch"])
    with tempfile.TemporaryDirectory(prefix="errand-demo-") as folder:
        variables = {
            **environment(plain["PATH"], {"GIT_ALLOW_PROTOCOL": "http"}),
            "GIT_TOKEN": stack.forge.token,
        }
        cloning = ("git", "-c", "credential.helper=", "-c", f"credential.helper={_HELPER}", "clone")
        branch = ("--quiet", "--branch", str(task["branch"]), "--", repository.url, folder)
        await output((*cloning, *branch), variables)
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "unittest", cwd=folder, env={"PATH": plain["PATH"]},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await child.communicate()
    _say(f"\nThe tests on branch {task['branch']}:\n{said.decode().strip()}\n")
    if child.returncode != 0:
        raise _Failed("the tests still fail on the pushed branch")


async def _one_pull_request(stack: Stack, repository: SampleRepository, branch: str) -> None:
    headers = {"Authorization": f"Bearer {stack.forge.token}", "User-Agent": "errand"}
    query = {"head": f"{repository.owner}:{branch}", "state": "all"}
    async with httpx.AsyncClient(headers=headers, trust_env=False) as client:
        url = f"{stack.forge.api_url}/repos/{repository.owner}/{repository.name}/pulls"
        found = (await client.get(url, params=query)).raise_for_status().json()
    if len(found) != 1:
        raise _Failed(f"{len(found)} pull requests were opened, not one")


async def _outcome(task: Mapping[str, Any]) -> Outcome:
    history = task["history"]
    times = {event["type"]: datetime.fromisoformat(event["at"]) for event in reversed(history)}
    begun = times["task.submitted"]
    return Outcome(
        task=task["id"],
        phase=task["phase"],
        attempts=task["attempts"],
        events=history[-1]["version"],
        branch=task["branch"],
        pull_request=task["pull_request"]["url"],
        cost_microusd=task["cost_microusd"],
        start_seconds=round((times["model.requested"] - begun).total_seconds(), 3),
        seconds=round((times["task.finished"] - begun).total_seconds(), 3),
    )


def _terminal() -> dict[str, str]:
    width = os.get_terminal_size().columns if sys.stdout.isatty() else 110
    return {"COLUMNS": str(width), "TERM": "xterm-256color" if sys.stdout.isatty() else "dumb"}


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
