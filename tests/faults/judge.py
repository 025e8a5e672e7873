"""Judges a finished task by what stands outside the services: log, forge, ledgers and tables.

Nothing here shares code with a service: messages are read with nats-py and as JSON, the branch with
git, tables with SQL, the rest over HTTP.
"""

import json
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import nats

from infra.local.demo.sample_repositories import SampleRepository
from tests.kit.servers.stack import RealStack

ENDS = {"task.finished", "task.failed", "task.cancelled", "task.abandoned"}
TOKENS = (
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
)


async def history_of(stack: RealStack, task: dict[str, Any]) -> list[dict[str, Any]]:
    """Read a task's messages, one by one, as JSON."""
    client = await nats.connect(stack.nats_url, user_credentials=str(stack.admin_credentials()))
    try:
        stream = client.jetstream()
        subject, after, found = f"events.{task['account']}.{task['id']}", 0, []
        while True:
            try:
                message = await stream.get_msg("EVENTS", seq=after + 1, subject=subject, next=True)
            except nats.js.errors.NotFoundError:
                return found
            assert message.seq is not None
            after = message.seq
            found.append(json.loads(message.data or b""))
    finally:
        await client.close()


def judge_log(events: list[dict[str, Any]]) -> None:
    """Versions are dense, one end, every call has one beginning and one end, attempts grow."""
    assert [event["version"] for event in events] == list(range(1, len(events) + 1))
    assert len({event["id"] for event in events}) == len(events)
    kinds = Counter(event["type"] for event in events)
    assert kinds["task.submitted"] == 1
    assert sum(kinds[end] for end in ENDS) == 1
    [end] = [event for event in events if event["type"] in ENDS]
    assert end["type"] == "task.finished", f"{end}"
    attempts = [event["attempt"] for event in events if event["type"] == "attempt.started"]
    assert attempts == sorted(set(attempts))
    open_calls: set[str] = set()
    for event in events:
        match event["type"]:
            case "tool.started":
                open_calls.add(event["call"])
            case "tool.completed" | "tool.interrupted":
                open_calls.discard(event["call"])
    assert open_calls == set()


def judge_branch(made: SampleRepository, task: str, expected: dict[str, str]) -> None:
    """The branch holds what was there before, and exactly the expected files beside it."""
    with tempfile.TemporaryDirectory() as directory:
        _git(directory, "init", "--quiet")
        _git(directory, "fetch", "--quiet", made.url, "+refs/heads/*:refs/remotes/o/*")
        branches = _git(directory, "for-each-ref", "--format=%(refname:short)", "refs/remotes/o")
        ours = [name for name in branches.split() if "errand/" in name]
        assert ours == [f"o/errand/{task}"]
        base = _git(directory, "merge-base", "o/main", ours[0]).strip()
        assert base == _git(directory, "rev-parse", "o/main").strip()
        changed = _git(directory, "diff", "--name-status", "--no-renames", "-z", base, ours[0])
        names = changed.split("\0")[:-1]
        found = dict(zip(names[1::2], names[::2], strict=True))
        assert found == dict.fromkeys(expected, "A"), f"the branch holds {found}"
        for name, content in expected.items():
            assert _git(directory, "show", f"{ours[0]}:{name}") == content


async def judge_ledgers(stack: RealStack, task: dict[str, Any]) -> None:
    """Check that the broker recorded what the provider billed, for each call it saw the end of.

    A call whose broker was killed keeps its worst case reserved: that must cover the rest.
    """
    url = f"http://127.0.0.1:{stack.servers.ports['model']}/ledger"
    headers = {"Authorization": f"Bearer {stack.servers.keys.model_key}"}
    async with httpx.AsyncClient(headers=headers, trust_env=False) as client:
        report = (await client.get(url, params={"user_id": task["id"]})).json()
    rows = await calls_of(stack, task["id"])
    settled = [row for row in rows if row["state"] == "settled"]
    unseen = [row for row in rows if row["state"] in ("open", "presumed")]
    for name in TOKENS:
        billed = report["completed"][name] + report["interrupted"][name]
        rest = billed - sum(row[name] for row in settled)
        assert rest >= 0, name
        assert unseen or rest == 0, name
        if name == "output_tokens":
            assert rest <= sum(row["most_output"] for row in unseen)


async def calls_of(stack: RealStack, task: str) -> list[asyncpg.Record]:
    """Return a task's rows of the broker's ledger."""
    connection = await asyncpg.connect(stack.postgres_url)
    try:
        return await connection.fetch("SELECT * FROM accounts.model_call WHERE task = $1", task)
    finally:
        await connection.close()


async def judge_read_models(
    stack: RealStack, task: dict[str, Any], events: list[dict[str, Any]]
) -> None:
    """Every event has its row, and the task's row is that of the last one."""
    connection = await asyncpg.connect(stack.postgres_url)
    try:
        rows = await connection.fetch(
            "SELECT version, type FROM read.event WHERE task = $1 ORDER BY version", task["id"]
        )
        state = await connection.fetchrow("SELECT * FROM read.task WHERE task = $1", task["id"])
        calls = await connection.fetchval(
            "SELECT count(*) FROM read.tool_call WHERE task = $1", task["id"]
        )
    finally:
        await connection.close()
    assert [(row["version"], row["type"]) for row in rows] == [
        (event["version"], event["type"]) for event in events
    ]
    assert state is not None
    assert state["version"] == len(events)
    assert state["phase"] == "finished"
    started = {event["call"] for event in events if event["type"] == "tool.started"}
    assert calls >= len(started)


async def judge_pull_requests(stack: RealStack, made: SampleRepository, task: str) -> None:
    """There is one, and one only."""
    headers = {"Authorization": f"Bearer {stack.forge.token}", "User-Agent": "judge"}
    url = f"{stack.forge.api_url}/repos/{made.owner}/{made.name}/pulls"
    async with httpx.AsyncClient(headers=headers, trust_env=False) as client:
        found = (await client.get(url, params={"state": "all"})).raise_for_status().json()
    assert [each["head"]["ref"] for each in found] == [f"errand/{task}"]


async def machines_of(stack: RealStack, task: str) -> list[str]:
    """Return the machines of a task that the platform still runs."""
    url = f"http://127.0.0.1:{stack.servers.ports['machines']}/v1/apps/errand-workers/machines"
    headers = {"Authorization": f"Bearer {stack.servers.keys.machines_token}"}
    async with httpx.AsyncClient(headers=headers, trust_env=False) as client:
        listed = (await client.get(url)).raise_for_status().json()
    return [m["id"] for m in listed if m["config"]["metadata"].get("task") == task]


def _git(directory: str, *arguments: str) -> str:
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": directory}
    return subprocess.run(
        ["git", "-C", directory, *arguments],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
        cwd=Path(directory),
    ).stdout
