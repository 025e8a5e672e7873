"""G7: every event that was ever stored is read, for ever, and means what it meant."""

import json
from pathlib import Path

import pytest

from events import AccountId, History, TaskId, codec, event_subject
from events.upcast import newest_schema
from infra.log.event_mac import read_keys
from infra.log.jetstream import JetStreamLog, connect
from tests.events.specimens import GOLDEN, TASK_EVENTS, golden_name, golden_path, missing
from tests.kit.build.event_logs import new_history, reading
from tests.kit.laws.documents import require_stored
from tests.kit.probe.eventually import eventually

FILES = sorted(GOLDEN.glob("*.jsonl"))
LINES = [
    pytest.param(path, line, id=f"{path.stem}-{number}")
    for path in FILES
    for number, line in enumerate(path.read_bytes().splitlines(), 1)
]
SHAPES = [
    (event.__struct_config__.tag, schema)
    for event in TASK_EVENTS
    for schema in range(1, newest_schema(event.__struct_config__.tag) + 1)
]


def decode(body):
    stored = json.loads(body)
    return codec.decode(History(AccountId("acc_golden"), TaskId(stored["task"])), 1, body)


def shape_of(path: Path):
    tag, _, schema = path.stem.rpartition(".")
    return tag, int(schema)


def holds(said, kept):
    """All that was kept is said, as it was."""
    if isinstance(kept, dict):
        return isinstance(said, dict) and all(
            name in said and holds(said[name], value) for name, value in kept.items()
        )
    if isinstance(kept, list):
        return len(said) == len(kept) and all(map(holds, said, kept))
    return said == kept


@pytest.mark.parametrize(("tag", "schema"), SHAPES)
def test_there_are_stored_bodies_of_every_shape_ever_emitted(tag, schema):
    path = GOLDEN / golden_name(tag, schema)
    assert path.exists(), (
        f"tests/events/golden/{path.name} is missing. For a new fact or schema version run "
        "`make docs`; a file of an older one must never go."
    )
    assert path.read_bytes().splitlines()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_of_the_corpus_is_of_a_shape_that_is_still_read(path):
    assert shape_of(path) in SHAPES, "a tag and its upcasters are for ever: bring them back"


@pytest.mark.parametrize(("path", "line"), LINES)
def test_every_old_event_decodes(path, line):
    tag, schema = shape_of(path)
    assert (json.loads(line)["type"], json.loads(line).get("schema", 1)) == (tag, schema)

    back = decode(line)

    assert codec.tag_of(back.event) == tag
    assert back.body == line


@pytest.mark.parametrize(("path", "line"), LINES)
def test_nothing_that_an_old_event_says_is_lost(path, line):
    tag, schema = shape_of(path)
    back = decode(line)
    again = codec.encode(back.history, back.version, back)
    if schema == newest_schema(tag):
        assert holds(json.loads(again), json.loads(line)), (
            f"`{tag}` no longer says all that was stored: a field was removed, renamed, or has "
            "another default. See docs/decisions/0005-a-shape-has-a-version.md."
        )
    assert decode(again).event == back.event


@pytest.mark.parametrize(("path", "line"), LINES)
def test_every_old_event_is_what_the_document_of_its_shape_says(path, line):
    require_stored(line)


@pytest.mark.parametrize("event", TASK_EVENTS, ids=lambda event: event.__name__)
def test_the_corpus_knows_every_field_of_every_fact(event):
    assert not missing(event), (
        f"{golden_path(event).name} has no body that says all that the fact can. Run `make docs`."
    )


async def test_a_log_that_holds_every_shape_ever_emitted_is_read_whole(servers):
    """The bodies as they were stored, but for their place: each behind a submission of its time.

    They are from before events were signed: the keys take them up to the sequence that says so.
    """
    lines = [parameter.values[1] for parameter in LINES]
    first = next(line for line in lines if json.loads(line)["type"] == "task.submitted")
    keys = read_keys(servers.servers.keys.event_keys, unsigned_up_to=2**53)
    histories = {new_history(): line for line in lines}
    async with connect(
        servers.nats_url, credentials=servers.credentials("operator"), name="test", keys=keys
    ) as connection:
        log = JetStreamLog(connection)
        for history, line in histories.items():
            is_first = json.loads(line)["type"] == "task.submitted"
            old = [
                placed(each, history, version)
                for version, each in enumerate([line] if is_first else [first, line], 1)
            ]
            for body in old:
                await connection.request(event_subject(history), body, within_seconds=5)

            kept = await log.read(history)
            assert [recorded.body for recorded in kept] == old

        async with reading(log, "g07") as reader:
            for history in histories:
                kept = await log.read(history)
                await eventually(
                    lambda of=history: reader.of(of),
                    until=lambda seen, end=kept: len(seen) >= len(end),
                )
                assert list(reader.of(history)) == list(kept)
    assert {json.loads(line)["type"] for line in lines} == {tag for tag, _ in SHAPES}


def placed(line, history, version):
    """An old body, at another place."""
    place = {"task": history.task, "version": version}
    return json.dumps(json.loads(line) | place, separators=(",", ":")).encode()
