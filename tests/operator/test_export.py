"""The log as a file: whole or not at all, on disk and in S3, as JSON lines and as Parquet."""

from datetime import UTC, datetime

import aioboto3
import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import given

from events import NOWHERE
from infra.log.jetstream import JetStreamLog, Selection, replay
from infra.operator.analytics.destination import NotWritten, destination
from infra.operator.analytics.export import export, json_line, writing
from infra.operator.analytics.parquet import ParquetFile
from tests.kit.build.any_event import any_fact, recorded
from tests.kit.build.event_logs import drafts, new_history
from tests.kit.servers.nats_connections import as_role


async def exported(servers, history, head, path, form):
    selection = Selection(account=history.account, up_to=head.sequence)
    async with as_role(servers, "analytics") as analyst:
        with writing(path, form) as write:
            return await export(replay(analyst, "export", selection), write)


@pytest.fixture
async def told(servers):
    """A history of three events, and its head."""
    history = new_history()
    async with as_role(servers, "scheduler") as connection:
        log = JetStreamLog(connection)
        head = await log.append(history, drafts("a", "b", "ü"), after=NOWHERE)
        yield history, head, await log.read(history)


async def test_json_lines_hold_the_stored_events_and_their_place(servers, told, tmp_path):
    history, head, events = told
    done = await exported(servers, history, head, tmp_path / "x", "jsonl")
    assert (done.events, done.first, done.last) == (3, events[0].sequence, head.sequence)
    lines = [msgspec.json.decode(line) for line in (tmp_path / "x").read_bytes().splitlines()]
    assert lines == [
        {
            "account": history.account,
            "sequence": event.sequence,
            **msgspec.json.decode(event.body),
        }
        for event in events
    ]


async def test_parquet_holds_the_envelope_in_columns_and_the_event_as_json(servers, told, tmp_path):
    history, head, events = told
    await exported(servers, history, head, tmp_path / "x", "parquet")
    rows = pq.read_table(tmp_path / "x").to_pylist()
    assert [row["sequence"] for row in rows] == [event.sequence for event in events]
    assert [row["at"] for row in rows] == [event.at for event in events]
    assert {row["type"] for row in rows} == {"task.instructed"}
    assert rows[2]["body"].encode() == events[2].body


async def test_nothing_to_export_is_an_empty_file(tmp_path):
    async def none():
        return
        yield

    for form in ("jsonl", "parquet"):
        with writing(tmp_path / form, form) as write:
            assert (await export(none(), write)).events == 0
    assert (tmp_path / "jsonl").read_bytes() == b""
    assert pq.read_table(tmp_path / "parquet").num_rows == 0


@given(any_fact)
def test_no_field_of_a_fact_hides_its_place(fact):
    line = msgspec.json.decode(json_line(recorded(fact, 7)))
    assert line["sequence"] == 7
    assert line["account"].startswith("acc_")


async def test_a_file_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "out"
    target.write_text("before")

    async def fail_half_way():
        async with destination(str(target), {}) as path:
            path.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail_half_way()
    assert target.read_text() == "before"
    async with destination(str(target), {}) as path:
        path.write_text("after")
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
    assert target.read_text() == "after"


async def test_a_place_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(NotWritten, match="nowhere"):
        async with destination(str(tmp_path / "nowhere" / "x"), {}) as path:
            path.write_text("x")
    with pytest.raises(NotWritten, match="s3://bucket/key"):
        async with destination("s3://bucket", {}):
            pass


async def test_a_file_goes_to_s3(servers):
    s3 = servers.s3
    environment = {
        "S3_ENDPOINT_URL": s3.endpoint,
        "S3_REGION": s3.region,
        "S3_ACCESS_KEY_ID": s3.key,
        "S3_SECRET_ACCESS_KEY": s3.secret,
    }
    async with destination(f"s3://{s3.bucket}/exports/a.jsonl", environment) as path:
        path.write_bytes(b"{}\n")
    session = aioboto3.Session(s3.key, s3.secret, region_name=s3.region)
    async with session.client("s3", endpoint_url=s3.endpoint) as client:
        kept = await client.get_object(Bucket=s3.bucket, Key="exports/a.jsonl")
        assert await kept["Body"].read() == b"{}\n"
    wrong = {**environment, "S3_SECRET_ACCESS_KEY": "wrong"}
    with pytest.raises(NotWritten, match="S3_ACCESS_KEY_ID"):
        async with destination(f"s3://{s3.bucket}/x", wrong) as path:
            path.write_bytes(b"")


def test_times_in_parquet_are_utc(tmp_path):
    at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    with ParquetFile(tmp_path / "t", {"at": "time"}) as file:
        file.write([{"at": at}])
        file.write([])
    assert pq.read_table(tmp_path / "t").to_pylist() == [{"at": at}]
