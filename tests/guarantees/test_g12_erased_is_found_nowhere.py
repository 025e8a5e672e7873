"""G12: of an erased task nothing is found, in no store, file or dump, but that it was erased.

What is looked for are canaries that a person, the agent's tools and its blobs left everywhere.
Passed over are places that are not ours: the forge, which stands for the world outside. PostgreSQL
is looked at as a dump would; its files hold freed rows until they are vacuumed.

The log's own files are another matter. nats-server 2.15.1 leaves the bytes of purged messages in
them for as long as their block is not rewritten, and refuses to overwrite single messages in a
stream with `deny_delete`, as EVENTS is. So with it the promise is that no API gives them back; and
where an installation leaves `deny_delete` out, that the files hold nothing either.
"""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from clients.cli.errors import CliError
from events import (
    NOWHERE,
    AccountId,
    CallId,
    History,
    QuestionAsked,
    SnapshotTaken,
    TaskErased,
    TaskId,
    ToolCompleted,
)
from infra.local.demo.sample_repositories import PROMPTS
from infra.log.jetstream import JetStreamLog
from infra.log.jetstream.admin import streams as settings
from infra.log.jetstream.admin.erasure import Purged, purge_before
from infra.log.jetstream.connection import api
from infra.runtime.clock import DraftFactory, utc_now
from infra.stores.object_store import Bucket, BucketAddress, open_bucket
from tests.kit.build.event_logs import drafts, new_history
from tests.kit.probe import secret_search
from tests.kit.probe.eventually import eventually
from tests.kit.probe.postgres_rows import checkpoint, read_models
from tests.kit.run.operator_commands import operate, operator_environment
from tests.kit.run.phone import Phone, repository, signed_in, stored
from tests.kit.run.projector_processes import projector
from tests.kit.servers.cluster import Cluster, _running
from tests.kit.servers.nats_connections import as_admin, as_role
from tests.kit.servers.server_directory import server_directory
from tests.kit.servers.stack import OwnThread, RealServers, RealStack, real_servers, real_stack

NOT_OURS = ("forge", "postgres", "nats")
"""`nats` is looked at apart, by tests of its own."""


@pytest.fixture(scope="module")
def own_stack() -> Iterator[RealStack]:
    """A stack that nobody else has left anything in."""
    with (
        server_directory() as directory,
        real_stack(directory) as running,
    ):
        yield running


@asynccontextmanager
async def bucket(servers: RealServers) -> AsyncIterator[Bucket]:
    storage = BucketAddress(
        endpoint_url=servers.s3.endpoint,
        region=servers.s3.region,
        bucket=servers.s3.bucket,
        access_key_id=servers.s3.key,
        secret_access_key=servers.s3.secret,
    )
    async with open_bucket(storage) as objects:
        yield objects


async def told_everywhere(stack: RealStack, phone: Phone, canary: str) -> dict[str, Any]:
    """Run a task whose prompt, answer, code and artifacts hold the canary; return it, ended."""
    made = await repository(stack, "greeter")
    task = await phone.submit(f"{PROMPTS['greeter']} ({canary} prompt)", made.url)
    async for recorded in phone.watch(task["id"]):
        if isinstance(recorded.event, QuestionAsked):
            path = f"/v1/tasks/{task['id']}/questions/{recorded.event.request}"
            await phone.post(path, {"text": f"{canary} friend"})
    assert (await phone.task(task["id"]))["phase"] == "finished"
    return task


async def output_with(stack: RealStack, task: dict[str, Any], canary: str) -> None:
    """Add a tool's output, and a blob of its own, as a worker would have."""
    history = History(AccountId(task["account"]), TaskId(task["id"]))
    async with as_admin(stack) as admin, bucket(stack) as objects:
        log = JetStreamLog[ToolCompleted](admin)
        output = ToolCompleted(call=CallId("c_canary"), output=f"{canary} output")
        said = DraftFactory(utc_now).drafts([output], by="worker:1")
        await log.append(history, said, after=await log.head(history))
        await objects.put(f"tasks/{task['id']}/canary.txt", f"{canary} blob".encode())


async def places(stack: RealStack, canary: str) -> dict[str, list[str]]:
    """Return the places where the canary is."""
    async with as_role(stack, "operator") as operator, bucket(stack) as objects:
        return {
            "log": await secret_search.in_log(operator, [canary]),
            "postgres": await secret_search.in_postgres(stack.postgres_url, [canary]),
            "redis": await secret_search.in_redis(stack.redis_url, [canary]),
            "objects": await secret_search.in_objects(objects, [canary]),
            "files": secret_search.in_files(stack.servers.home.directory, [canary], but=NOT_OURS),
        }


async def test_a_task_that_was_erased_is_found_nowhere(
    own_stack: RealStack, tmp_path: Path
) -> None:
    canary, other = secrets.token_hex(16), secrets.token_hex(16)
    environment = operator_environment(own_stack, tmp_path)
    phone = await signed_in(own_stack)
    async with phone.gateway:
        kept = await told_everywhere(own_stack, phone, other)
        task = await told_everywhere(own_stack, phone, canary)
        await output_with(own_stack, task, canary)
        await operate(environment, tmp_path, "archive")

        async def is_told() -> bool:
            found = await places(own_stack, canary)
            return all(found[place] for place in ("log", "postgres", "redis", "objects", "files"))

        await eventually(is_told, seconds=30, every_seconds=0.5)

        said = await operate(
            environment, tmp_path, "erase", task["id"], "--reason", "asked", "--yes"
        )
        assert "1 archive keys" in said
        assert "not followed" not in said
        assert "NATS keeps the bytes" in said

        assert await places(own_stack, canary) == {
            "log": [], "postgres": [], "redis": [], "objects": [], "files": [],
        }  # fmt: skip
        assert (await places(own_stack, other))["postgres"], "it took more than it was told to"
        [tombstone, *_] = await stored(own_stack, task)
        assert tombstone.event == TaskErased(reason="asked")
        with pytest.raises(CliError, match="no task|not found|no such"):
            await phone.task(task["id"])
        assert [t["id"] for t in (await phone.get("/v1/tasks"))["data"]] == [kept["id"]]

        again = await operate(environment, tmp_path, "erase", task["id"], "--reason", "x", "--yes")
        assert "Erased: 0 events" in again
        await operate(environment, tmp_path, "archive")
        assert not (await places(own_stack, canary))["objects"]


async def test_a_rebuild_copes_with_the_gap(own_stack: RealStack, fresh_database: str) -> None:
    """The read models folded from what is left are those that followed the erasure."""
    async with as_role(own_stack, "analytics") as reader:
        end = (await JetStreamLog[Any](reader).info()).last_sequence
    live = await read_models(own_stack.postgres_url)

    async def rebuilt() -> bool:
        return await checkpoint(fresh_database) >= end

    async with projector(own_stack, fresh_database):
        await eventually(rebuilt, seconds=60, every_seconds=0.2)
    assert await read_models(fresh_database) == live


async def test_a_task_that_has_not_ended_is_not_erased(
    own_stack: RealStack, tmp_path: Path
) -> None:
    phone = await signed_in(own_stack)
    async with phone.gateway:
        made = await repository(own_stack, "slugify")
        task = await phone.submit("rehearse 50 tool calls of 0.5 seconds", made.url)
        environment = operator_environment(own_stack, tmp_path)
        words = ("erase", task["id"], "--reason", "asked", "--yes")
        assert "errand cancel" in await operate(environment, tmp_path, *words, code=1)
        path = f"/v1/tasks/{task['id']}/cancel"
        await phone.post(path, {})
        await operate(environment, tmp_path, *words)
    for nobodys in ("task_unknown", "*", ">", "task_*", ""):
        words = ("erase", nobodys, "--reason", "asked", "--yes")
        assert "holds nothing of" in await operate(environment, tmp_path, *words, code=1)


async def test_a_fork_outlives_the_erasure_of_its_source_and_is_erased_with_its_copies(
    own_stack: RealStack, tmp_path: Path
) -> None:
    """A fork owns its copies: its files and the account of the conversation."""
    canary = secrets.token_hex(16)
    environment = operator_environment(own_stack, tmp_path)
    phone = await signed_in(own_stack)
    async with phone.gateway, bucket(own_stack) as objects:
        made = await repository(own_stack, "slugify")
        source = await phone.submit(f"rehearse 4 tool calls ({canary})", made.url)
        await phone.until_end(source["id"])
        snapshots = [
            r for r in await stored(own_stack, source) if isinstance(r.event, SnapshotTaken)
        ]
        path = f"/v1/tasks/{source['id']}/fork"
        asked = {"at": snapshots[0].version, "prompt": "rehearse 2 tool calls"}
        fork = await phone.post(path, asked)
        await operate(environment, tmp_path, "erase", source["id"], "--reason", "asked", "--yes")
        assert not await objects.keys(f"tasks/{source['id']}/")

        await phone.until_end(fork["id"])
        assert (await phone.task(fork["id"]))["outcome"] == "pull_request"
        history = await stored(own_stack, fork)
        named = {key for r in history for key in keys_in(r.body)}
        assert named
        assert named <= set(await objects.keys(f"tasks/{fork['id']}/"))
        assert (await places(own_stack, canary))["log"], "the account is the fork's own"

        await operate(environment, tmp_path, "erase", fork["id"], "--reason", "asked", "--yes")
        assert not await objects.keys(f"tasks/{fork['id']}/")
        assert not any((await places(own_stack, canary)).values())


def keys_in(body: bytes) -> set[str]:
    """Return the keys of the objects that an event names."""
    return {key.decode() for key in re.findall(rb'"key":"(tasks/[^"]+)"', body)}


@pytest.fixture(params=["R1", "R3"])
def lenient(request: pytest.FixtureRequest) -> Iterator[tuple[Any, Path]]:
    """Servers of this test's own, and the directory with their files."""
    with server_directory() as directory:
        if request.param == "R1":
            with real_servers(directory) as servers:
                yield servers, directory
            return
        thread = OwnThread(_running(directory))
        try:
            yield Cluster(*thread.open(), thread), directory
        finally:
            thread.close()


async def without_deny_delete(place: Any) -> None:
    """Make the log of an installation whose operator may overwrite single messages."""
    replicas = 3 if isinstance(place, Cluster) else 1
    wanted = {**settings._EVENTS_SETTINGS, "deny_delete": False, "num_replicas": replicas}
    async with as_admin(place) as admin:
        await api.request(admin, "STREAM.DELETE.EVENTS", {})
        await api.request(admin, "STREAM.CREATE.EVENTS", wanted)


async def erased(place: Any, directory: Path, canary: str) -> Purged:
    """Append the canary fifty times, see that it is there, and erase it."""
    history = new_history()
    async with as_admin(place) as admin:
        log = JetStreamLog[Any](admin)
        said = drafts(*(f"{canary} {number}" for number in range(50)))
        head = await log.append(history, said, after=NOWHERE)
        await log.append(new_history(), drafts(*["something else"] * 200), after=NOWHERE)
        assert secret_search.in_files(directory, [canary])
        tombstone = DraftFactory(utc_now).drafts([TaskErased(reason="asked")], by="operator")
        head = await log.append(history, tombstone, after=head)
        purged = await purge_before(admin, history, head.sequence)

        async def left() -> list[int]:
            return [recorded.version for recorded in await log.read(history)]

        await eventually(left, until=lambda versions: versions == [51])  # replicas may lag
        await eventually(
            lambda: secret_search.in_log(admin, [canary]), until=lambda found: not found
        )
    return purged


async def test_where_messages_may_be_overwritten_the_files_of_the_log_hold_nothing(
    lenient: tuple[Any, Path],
) -> None:
    """On every replica, at once. A cluster's Raft logs hold appends until their next snapshot."""
    place, directory = lenient
    canary = secrets.token_hex(16)
    await without_deny_delete(place)

    assert await erased(place, directory, canary) == Purged(50, is_overwritten=True)

    async def files() -> list[str]:
        await asyncio.sleep(0)
        return [f for f in secret_search.in_files(directory, [canary]) if "/_js_/" not in f]

    await eventually(files, until=lambda found: not found)


async def test_elsewhere_no_reader_gets_at_it_and_what_remains_is_told(
    lenient: tuple[Any, Path],
) -> None:
    place, directory = lenient
    purged = await erased(place, directory, secrets.token_hex(16))
    assert purged == Purged(50, is_overwritten=False)
