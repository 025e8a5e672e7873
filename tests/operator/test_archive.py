"""The archive and its drill: another server is filled from it, and holds the same log."""

import gzip
import secrets
import tempfile
from base64 import b64encode
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import asyncpg
import msgspec
import pytest

from events import NOWHERE, TaskErased, event_subject
from infra.log.jetstream import JetStreamLog
from infra.log.jetstream.admin.erasure import purge_before
from infra.log.jetstream.admin.import_log import LogNotEmpty
from infra.log.jetstream.read.range import RangeLimit, read_range
from infra.operator.archive import ArchiveStore, Archiving
from infra.operator.restore import restore
from infra.operator.segment import Damaged, Manifest
from infra.operator.task_keys import WrongKeyFile, open_vault, read_master
from infra.runtime.clock import DraftFactory, utc_now
from infra.stores.encryption import DecryptionError
from infra.stores.object_store import BucketAddress, open_bucket
from infra.stores.object_store_errors import StorageFailed
from tests.kit.build.event_logs import drafts, new_history, texts, versions
from tests.kit.build.poison_messages import body, put
from tests.kit.run.operator_commands import operate, operator_environment
from tests.kit.servers.nats_connections import as_admin, as_role
from tests.kit.servers.stack import real_servers

MASTER = secrets.token_bytes(32)
SMALL = RangeLimit(messages=40, size_bytes=1024 * 1024)


@asynccontextmanager
async def an_installation(servers, *, master=MASTER):
    """The operator's connections to servers: log, bucket, vault."""
    storage = BucketAddress(
        endpoint_url=servers.s3.endpoint,
        region=servers.s3.region,
        bucket=servers.s3.bucket,
        access_key_id=servers.s3.key,
        secret_access_key=servers.s3.secret,
    )
    async with (
        as_role(servers, "operator") as connection,
        open_bucket(storage) as objects,
        open_vault(servers.service_postgres_url, master, secrets.token_bytes) as vault,
    ):
        yield connection, objects, vault


def archiving(connection, objects, vault, *, prefix="archive", most=SMALL):
    return Archiving(
        connection,
        ArchiveStore(objects, prefix),
        vault,
        clock=utc_now,
        entropy=secrets.token_bytes,
        most=most,
    )


def fresh(name):
    return tempfile.TemporaryDirectory(prefix=f"errand-{name}-", ignore_cleanup_errors=True)


async def everything(connection):
    stretch = await read_range(connection, "test", after=0, most=RangeLimit(10**6, 10**9))
    return [(m.sequence, m.subject, m.body) for m in stretch.messages], stretch.up_to


async def erased(connection, history):
    """Erase a history as the operator does, its tombstone first."""
    log = JetStreamLog(connection)
    drafts_ = DraftFactory(utc_now).drafts([TaskErased(reason="asked")], by="operator")
    head = await log.append(history, drafts_, after=await log.head(history))
    await purge_before(connection, history, head.sequence)
    return head


@pytest.fixture(scope="module")
def old():
    """Servers of this module's own: it archives the whole log of them."""
    with fresh("old") as directory, real_servers(Path(directory)) as servers:
        yield servers


@pytest.fixture
def new():
    with fresh("new") as directory, real_servers(Path(directory)) as servers:
        yield servers


async def test_a_log_is_archived_and_restored_to_the_same_bodies_at_the_same_sequences(old, new):
    told: list[Manifest] = []
    kept, gone, late = new_history(), new_history(), new_history()
    async with an_installation(old) as (connection, objects, vault), as_admin(old) as admin:
        log = JetStreamLog(connection)
        for history in (kept, gone):
            head = await log.append(history, drafts(*(f"x{n}" for n in range(60))), after=NOWHERE)
            await log.append(history, drafts("ünïcode ☂", "y" * 60_000), after=head)
        await put(admin, kept, b"\x00 poison")
        await put(admin, kept, body(kept, version=7, type="task.instructed", text="x"))

        first = await archiving(connection, objects, vault).run(told.append)
        again = await archiving(connection, objects, vault).run(told.append)
        assert (first.events, first.segments) == (126, len(told))
        assert (again.events, again.segments, again.up_to) == (0, 0, first.up_to)
        assert first.segments > 2

        await erased(connection, gone)
        await vault.destroy(gone.task)
        await log.append(late, drafts("late"), after=NOWHERE)
        second = await archiving(connection, objects, vault).run(told.append)
        assert second.events == 2
        expected, up_to = await everything(connection)

        async with as_role(new, "operator", keys=old.event_keys) as other:
            done = await restore(other, ArchiveStore(objects, "archive"), vault, lambda _: None)
            assert (done.erased, done.unproven, done.up_to) == (62, 1, up_to)
            assert await everything(other) == (expected, up_to)
            restored = JetStreamLog(other)
            assert versions(await restored.read(kept)) == list(range(1, 63))
            assert texts(await restored.read(late)) == ["late"]
            [tombstone] = await restored.read(gone)
            assert (tombstone.version, tombstone.event) == (63, TaskErased(reason="asked"))
            head = await restored.append(late, drafts("more"), after=await restored.head(late))
            assert head.sequence == up_to + 1

            with pytest.raises(LogNotEmpty, match=f"come to sequence {up_to + 1}"):
                await restore(other, ArchiveStore(objects, "archive"), vault, lambda _: None)


async def test_an_archive_that_broke_off_goes_on_where_it_was(old):
    class BrokeOff(Exception):
        pass

    def break_off(manifest):
        raise BrokeOff

    async with an_installation(old) as (connection, objects, vault):
        history = new_history()
        await JetStreamLog(connection).append(
            history, drafts(*(f"z{n}" for n in range(100))), after=NOWHERE
        )
        with pytest.raises(BrokeOff):
            await archiving(connection, objects, vault, prefix="broken").run(break_off)
        told: list[Manifest] = []
        done = await archiving(connection, objects, vault, prefix="broken").run(told.append)

        manifests = sorted(await ArchiveStore(objects, "broken").manifests(), key=lambda m: m.after)
    assert told[0].after > 0, "the first segment was archived again"
    assert manifests[-1].up_to == done.up_to
    assert [m.after for m in manifests] == [0, *(m.up_to for m in manifests[:-1])]


async def test_nothing_of_a_body_can_be_read_from_the_archive_without_its_key(old):
    canary = secrets.token_hex(16)
    async with an_installation(old) as (connection, objects, vault):
        history = new_history()
        await JetStreamLog(connection).append(history, drafts(canary), after=NOWHERE)
        await archiving(connection, objects, vault, prefix="sealed").run(lambda _: None)
        for key in await objects.keys("sealed/"):
            content = await objects.get(key)
            if key.endswith(".gz"):
                content = gzip.decompress(content)
                assert event_subject(history).encode() in content or b"acc_" in content
            assert canary.encode() not in content
    connection = await asyncpg.connect(old.postgres_url)
    try:
        wrapped = await connection.fetch("SELECT wrapped FROM vault.task_key")
    finally:
        await connection.close()
    assert all(len(row["wrapped"]) == 12 + 32 + 16 for row in wrapped)


@pytest.mark.parametrize("harm", ["a changed segment", "a missing segment", "a swapped body"])
async def test_a_damaged_archive_is_not_restored(old, new, harm):
    prefix = f"harm-{secrets.token_hex(4)}"
    async with (
        an_installation(old) as (connection, objects, vault),
        as_role(new, "operator") as other,
    ):
        await JetStreamLog(connection).append(
            new_history(), drafts(*(f"h{n}" for n in range(100))), after=NOWHERE
        )
        await archiving(connection, objects, vault, prefix=prefix).run(lambda _: None)
        manifests = [k for k in await objects.keys(f"{prefix}/") if k.endswith(".json")]
        segments = [k for k in await objects.keys(f"{prefix}/") if k.endswith(".gz")]
        if harm == "a changed segment":
            await objects.put(segments[1], await objects.get(segments[0]))
        elif harm == "a missing segment":
            await objects.delete([manifests[1], segments[1]])
        else:
            await _swap(objects, segments[0], manifests[0])
        with pytest.raises((Damaged, DecryptionError)):
            await restore(other, ArchiveStore(objects, prefix), vault, lambda _: None)


async def _swap(objects, segment, manifest):
    """Give one record another's body, and forge the manifest to match."""
    lines = gzip.decompress(await objects.get(segment)).splitlines()
    one, two = msgspec.json.decode(lines[0]), msgspec.json.decode(lines[1])
    one["sealed"], two["sealed"] = two["sealed"], one["sealed"]
    forged = gzip.compress(b"\n".join([*map(msgspec.json.encode, (one, two)), *lines[2:]]))
    said = msgspec.json.decode(await objects.get(manifest))
    said["sha256"] = sha256(forged).hexdigest()
    await objects.put(segment, forged)
    await objects.put(manifest, msgspec.json.encode(said))


async def test_another_key_file_opens_nothing_and_says_so(old, tmp_path):
    async with an_installation(old) as (connection, objects, vault):
        await JetStreamLog(connection).append(new_history(), drafts("a"), after=NOWHERE)
        await archiving(connection, objects, vault, prefix="keyed").run(lambda _: None)
    async with an_installation(old, master=secrets.token_bytes(32)) as (connection, objects, vault):
        with pytest.raises(WrongKeyFile, match="Set ARCHIVE_KEY_FILE"):
            await restore_keys(vault, connection)
    for content in ("", "not base64!", b64encode(b"short").decode()):
        file = tmp_path / "key"
        file.write_text(content)
        with pytest.raises(WrongKeyFile, match="openssl rand -base64 32"):
            read_master(file)


async def restore_keys(vault, connection):
    stretch = await read_range(connection, "test", after=0, most=RangeLimit(10**6, 10**9))
    await vault.keys_of({message.subject.rpartition(".")[2] for message in stretch.messages})


async def test_a_store_that_is_away_is_told_with_what_to_check(old):
    storage = BucketAddress(
        endpoint_url="http://127.0.0.1:9",
        region="us-east-1",
        bucket="b",
        access_key_id="k",
        secret_access_key="s",
    )
    async with open_bucket(storage) as objects:
        with pytest.raises(StorageFailed, match="Check S3_ENDPOINT_URL"):
            await objects.keys("x")


async def test_the_drill_as_it_is_typed(old, new, tmp_path):
    async with as_role(old, "operator") as connection:
        await JetStreamLog(connection).append(new_history(), drafts("typed"), after=NOWHERE)
        expected = await everything(connection)
    place = f"s3://{old.s3.bucket}/typed"
    environment = operator_environment(old, tmp_path)
    async with an_installation(old) as (
        _,
        _,
        vault,
    ):  # keys of other tests are under another key file
        for subject in {subject for _, subject, _ in expected[0]}:
            await vault.destroy(subject.rpartition(".")[2])

    said = await operate(environment, tmp_path, "archive", "--to", place)
    assert f"The archive reaches sequence {expected[1]:,}" in said
    assert "Nothing new" in await operate(environment, tmp_path, "archive", "--to", place)
    refused = await operate(environment, tmp_path, "restore", "--from", place, code=1)
    assert "The log is not empty" in refused

    there = {
        **environment,
        "NATS_URL": new.nats_url,
        "NATS_CREDENTIALS": str(new.credentials("operator")),
    }
    said = await operate(there, tmp_path, "restore", "--from", place)
    assert f"Restored {len(expected[0]):,} events up to sequence {expected[1]:,}" in said
    async with as_role(new, "operator") as other:
        assert await everything(other) == expected
    missing = {k: v for k, v in environment.items() if k != "S3_BUCKET"}
    assert "S3_BUCKET" in await operate(missing, tmp_path, "archive", code=2)
