"""Keys and secrets of the worker that a command prints are kept nowhere in the stack.

The keys are of well-known shapes and made up for the run; the commit holds them in pieces only. The
program prints them whole, again in pieces that are flushed one by one, and beside them all that it
can reach of the machine it runs on: environments and arguments of every process, in four spellings.
Passed over are the settings that are given to the worker's machine, and what the stand-ins for the
world outside keep: the machines' provider hands the worker its secrets.
A word that is no secret is printed beside them. It has to be found everywhere: where it is not,
nothing else would be.
"""

import asyncio
import secrets
import string
import sys
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis.asyncio as redis

from clients.cli.stream.client import Stream
from events import Recorded, ToolCompleted
from events.protocol.ephemeral import Ephemeral
from infra.log.jetstream.connection.live import subscribe_live
from infra.stores.object_store import BucketAddress, open_bucket
from services.worker.agent.text.redaction import secrets_in
from tests.kit.probe import secret_search
from tests.kit.run.phone import ENDS, Phone, repository, signed_in
from tests.kit.servers.forge import git
from tests.kit.servers.nats_connections import as_role
from tests.kit.servers.stack import RealStack

PLACES = ("keys", "stack.json", "machines")
MARKS = ("anthropic-key", "github-token", "aws-key", "private-key")
TASK_SECONDS = 120
PLACES_OF_OUTPUT = ("NATS live", "Redis channels", "stream", "log", "Postgres", "files")
CAPITALS = string.ascii_uppercase + string.digits

PROGRAM = """
import base64, os, pathlib, sys, time, unittest, urllib.parse

PIECES = {pieces!r}
PLAIN = {plain!r}


def say(text, end="\\n"):
    sys.stdout.write(text + end)
    sys.stdout.flush()


def reached():
    for file in pathlib.Path("/proc").glob("[0-9]*/*"):
        if file.name in ("environ", "cmdline"):
            try:
                yield from file.read_bytes().split(b"\\0")
            except OSError:
                pass


class Printed(unittest.TestCase):
    def test_all_is_printed(self):
        for pieces in PIECES:
            say("whole: " + "".join(pieces))
        say(PLAIN)  # here, as live output may skip what stands before very much
        for pieces in PIECES:
            say("pieces: ", end="")
            for piece in pieces:
                say(piece, end="")
                time.sleep(0.06)
            say("")
        for value in {{part for each in reached() for part in (each, each.partition(b"=")[2])}}:
            if 8 <= len(value) <= 4096:
                say(value.decode(errors="replace"))
                say(base64.b64encode(value).decode() + " " + value.hex())
                say(urllib.parse.quote(value, safe=""))
"""


def made_up() -> list[str]:
    """Make up one key of each well-known shape."""
    capitals = "".join(secrets.choice(CAPITALS) for _ in range(16))
    lines = "\n".join(secrets.token_hex(32) for _ in range(3))
    return [
        f"sk-ant-api03-{secrets.token_hex(40)}AA",
        f"ghp_{secrets.token_hex(18)}",
        f"AKIA{capitals}",
        f"-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----",
    ]


def searched_for(key: str) -> list[str]:
    """Return the parts of a key that say it: of a private key, each of its lines."""
    lines = key.split("\n")
    return lines[1:-1] if len(lines) > 1 else [key]


def in_pieces(key: str) -> list[str]:
    """Return a key in seven pieces or eight."""
    size = max(1, len(key) // 7)
    return [key[at : at + size] for at in range(0, len(key), size)]


async def commit(stack: RealStack, url: str, program: str, folder: Path) -> None:
    """Put the program among the tests of a repository."""

    async def run(*arguments: Any, inside: Path | None = None) -> None:
        token = stack.forge.token
        done = await asyncio.to_thread(git, *arguments, inside=inside, token=token)
        assert done.code == 0, done.errors

    await run("clone", "--quiet", url, folder)
    (folder / "tests" / "test_printed.py").write_text(program)
    await run("add", "--all", inside=folder)
    await run("commit", "--quiet", "--message", "Test more", inside=folder)
    await run("push", "--quiet", "origin", "HEAD", inside=folder)


class Passing:
    """All that passes while the task runs: NATS live messages, Redis channels, the phone's text."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {"NATS live": "", "Redis channels": ""}

    def add(self, place: str, text: str) -> None:
        self.texts[place] = self.texts.get(place, "") + text

    async def nats(self, stack: RealStack, ready: asyncio.Event) -> None:
        async with as_role(stack, "projector") as connection:
            ready.set()
            async for _, payload in subscribe_live(connection, "live.>"):
                self.add("NATS live", payload.decode(errors="replace"))

    async def redis(self, stack: RealStack, ready: asyncio.Event) -> None:
        client = redis.Redis.from_url(stack.redis_url)
        async with client.pubsub() as channels:
            await channels.psubscribe("*")
            ready.set()
            async for message in channels.listen():
                self.add("Redis channels", repr(message["data"]))

    def holding(self, wanted: Collection[str]) -> set[str]:
        return {place for place, text in self.texts.items() if any(one in text for one in wanted)}


async def followed(phone: Phone, task: str, passing: Passing) -> AsyncIterator[Recorded]:
    """Yield the task's events until it ends; keep the live text of each block."""
    stream = Stream(phone.gateway, device="phone", tasks={task: 0})
    async for item in stream.items():
        if isinstance(item, Ephemeral):
            passing.add("stream", item.text)
        if isinstance(item, Recorded):
            yield item
            if isinstance(item.event, ENDS):
                return


def secrets_of_workers() -> set[str]:
    """Read the secrets in the environments of this stack's workers, as only their host can."""
    found: set[str] = set()
    for process in psutil.Process().children(recursive=True):
        try:
            if "services.worker" in process.cmdline():
                found |= set(secrets_in(process.environ()).values())
        except psutil.Error:
            continue  # it ended
    return {each for each in found if len(each) >= 8}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_what_a_command_prints_of_secrets_is_kept_nowhere(
    stack: RealStack, tmp_path: Path
) -> None:
    keys, plain = made_up(), f"plain-{secrets.token_hex(16)}"
    made = await repository(stack, "slugify")
    program = PROGRAM.format(pieces=[in_pieces(key) for key in keys], plain=plain)
    await commit(stack, made.url, program, tmp_path / "clone")
    phone, passing, own = await signed_in(stack), Passing(), set[str]()

    async with AsyncExitStack() as resources:
        await resources.enter_async_context(asyncio.timeout(TASK_SECONDS))
        await resources.enter_async_context(phone.gateway)
        group = await resources.enter_async_context(asyncio.TaskGroup())
        ready = [asyncio.Event(), asyncio.Event()]
        listening = [
            group.create_task(passing.nats(stack, ready[0])),
            group.create_task(passing.redis(stack, ready[1])),
        ]
        for is_ready in ready:
            await is_ready.wait()
        task = await phone.submit("The tests fail, fix it.", made.url)
        outputs = []
        async for recorded in followed(phone, task["id"], passing):
            own = own or secrets_of_workers()
            if isinstance(recorded.event, ToolCompleted):
                outputs.append(recorded.event.output)
        state = await phone.task(task["id"])
        for each in listening:
            each.cancel()

    assert own, "no worker was looked at"
    found = passing.holding([plain]) | await kept(stack, [plain])
    assert found.issuperset(PLACES_OF_OUTPUT), f"what is no secret is found only in {found}"
    wanted = [part for key in keys for part in searched_for(key)]
    wanted += sorted({each for secret in own for each in secret_search.spellings(secret)})
    assert passing.holding(wanted) | await kept(stack, wanted) == set()

    printed = "\n".join(outputs)
    assert all(f"[redacted:{mark}]" in printed for mark in MARKS), "the keys were not printed"
    assert (state["phase"], state["outcome"]) == ("finished", "pull_request"), state


async def kept(stack: RealStack, wanted: Collection[str]) -> set[str]:
    """Name the places where the stack keeps one of these texts."""
    s3 = stack.s3
    storage = BucketAddress(
        endpoint_url=s3.endpoint,
        region=s3.region,
        bucket=s3.bucket,
        access_key_id=s3.key,
        secret_access_key=s3.secret,
    )
    async with as_role(stack, "operator") as operator, open_bucket(storage) as objects:
        found = {
            "log": await secret_search.in_log(operator, wanted),
            "objects": await secret_search.in_objects(objects, wanted),
        }
    found["Postgres"] = await secret_search.in_postgres(stack.postgres_url, wanted)
    found["Redis"] = await secret_search.in_redis(stack.redis_url, wanted)
    files = stack.servers.home.directory
    found["files"] = await asyncio.to_thread(secret_search.in_files, files, wanted, but=PLACES)
    return {place for place, where in found.items() if where}
