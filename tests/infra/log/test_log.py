"""The log on JetStream under what JetStream, and hostile writers, can do to it.

What may never happen, on one server and on three: tests/guarantees.
"""

import asyncio
from contextlib import AsyncExitStack

import msgspec
import prometheus_client
import pytest
from msgspec.structs import replace
from opentelemetry.sdk.trace import TracerProvider

from events import NOWHERE, Head, ModelReplied, Usage, event_subject
from infra.log.event_log import Conflict, Unavailable
from infra.log.jetstream import JetStreamLog
from infra.log.jetstream.connection import api
from infra.log.jetstream.read.follow import follow
from tests.kit.build.event_logs import drafts, new_history, reading, texts, versions
from tests.kit.probe.eventually import eventually
from tests.kit.probe.stream_settings import stream_settings
from tests.kit.servers.nats_connections import as_admin, as_role

_ENVELOPE = (
    b'"id":"evt_1","task":"task_x","version":2,"at":"2026-01-01T00:00:00Z","by":"x","cause":""'
)


@pytest.fixture
async def connection(servers):
    async with as_role(servers, "scheduler") as connection:
        yield connection


@pytest.fixture
async def admin(servers):
    async with as_admin(servers) as connection:
        yield connection


@pytest.fixture
def log(connection):
    return JetStreamLog(connection)


async def dead_letters(admin, follower):
    answer = await admin.request(
        "$JS.API.DIRECT.GET.DEADLETTERS",
        msgspec.json.encode({"last_by_subj": f"dead.{follower}"}),
        within_seconds=2,
    )
    assert "Status" not in answer.headers
    return answer


@pytest.mark.parametrize("how", ["kill", "restart"])
async def test_a_server_that_goes_and_comes_back_loses_nothing(servers, log, how):
    history = new_history()
    start = (await log.info()).last_sequence
    heads: list[Head] = []
    stopping = asyncio.Event()

    async def write() -> None:
        head = NOWHERE
        while not stopping.is_set():
            count = 1 + len(heads) % 3
            head = await log.append(history, drafts(*["x"] * count), after=head)
            heads.append(head)

    async with reading(log, "restart", after=start) as reader:
        async with asyncio.TaskGroup() as group:
            group.create_task(write())
            for _ in range(2):
                reached = len(heads)
                await eventually(lambda least=reached: len(heads) > least + 20)
                await getattr(servers, how)("nats")
            reached = len(heads)
            await eventually(lambda: len(heads) > reached + 20, seconds=15)
            stopping.set()
        await eventually(
            lambda: len(reader.of(history)), until=lambda n: n >= heads[-1].version, seconds=15
        )

    recorded = list(await log.read(history))
    assert versions(recorded) == list(range(1, heads[-1].version + 1))
    assert reader.of(history) == recorded


async def test_an_append_whose_answer_was_lost_is_found_again(servers, log, connection):
    history = new_history()
    head = await log.append(history, drafts("a"), after=NOWHERE)
    same = drafts("b", "c")
    async with asyncio.TaskGroup() as group:
        append = group.create_task(log.append(history, same, after=head))
        await servers.kill("nats")
    assert append.result().version == 3
    assert await log.append(history, same, after=head) == append.result()
    assert texts(await log.read(history)) == ["a", "b", "c"]


async def test_a_log_that_stays_away_is_unavailable_in_time(servers, connection):
    log = JetStreamLog(connection, deadline_seconds=0.5)
    await servers.halt("nats")
    try:
        async with asyncio.timeout(3):
            with pytest.raises(Unavailable, match="Not appended to events"):
                await log.append(new_history(), drafts("a"), after=NOWHERE)
            with pytest.raises(Unavailable):
                await log.read(new_history())
    finally:
        await servers.resume("nats")
    history = new_history()
    await eventually(lambda: connection.is_connected)
    assert (await log.append(history, drafts("a"), after=NOWHERE)).version == 1


async def test_a_reader_that_stands_still_holds_two_batches_at_most(log, connection):
    history = new_history()
    head = await log.append(history, drafts("first"), after=NOWHERE)
    start = head.sequence
    for _ in range(5):
        head = await log.append(history, drafts(*["x"] * 1000), after=head)

    until = asyncio.Event()
    received = connection.client.stats["in_msgs"]
    feed = follow(connection, "still", after=start, until=until)
    batch = await anext(feed)
    await connection.client.flush()
    await asyncio.sleep(0.3)  # time to receive too much, were it asked for

    assert connection.client.stats["in_msgs"] - received <= len(batch) + 2 * 1000 + 10
    until.set()
    await feed.aclose()


@pytest.mark.parametrize(
    "poison",
    [
        b"\x00 not JSON",
        b"{}",
        b'{"type":"task.unheard_of",%s}' % _ENVELOPE.replace(b"task_x", b"TASK"),
        b'{"type":"task.instructed","text":"hi",%s}' % _ENVELOPE,
    ],
    ids=["no JSON", "no event", "unknown type", "another task's"],
)
async def test_what_cannot_be_read_goes_to_the_dead_letters_and_stops_nobody(
    log, connection, admin, poison
):
    history = new_history()
    follower = f"poison_{history.task}"
    poison = poison.replace(b"TASK", history.task.encode())
    head = await log.append(history, drafts("before"), after=NOWHERE)
    start = head.sequence - 1

    await admin.request(event_subject(history), poison, within_seconds=2)
    async with reading(log, follower, after=start) as reader:
        head = await log.append(history, drafts("after", "it"), after=head)
        head = await log.append(history, drafts("and on"), after=head)
        await eventually(lambda: len(reader.of(history)), until=lambda n: n >= 4)

    assert texts(reader.of(history)) == ["before", "after", "it", "and on"]
    assert versions(await log.read(history)) == [1, 2, 3, 4]
    letter = await dead_letters(admin, follower)
    assert letter.data == poison
    assert letter.headers["Errand-Sequence"] == str(start + 2)
    assert letter.headers["Errand-Subject"] == event_subject(history)
    assert letter.headers["Errand-Reason"]


async def test_dead_letters_that_cannot_be_stored_are_waited_for(connection, admin):
    history = new_history()
    follower = f"full_{history.task}"
    log = JetStreamLog(connection, deadline_seconds=0.1)
    head = await log.append(history, drafts("before"), after=NOWHERE)
    await admin.request(event_subject(history), b"poison", within_seconds=2)
    usual = await stream_settings(admin, "DEADLETTERS")
    tries = prometheus_client.REGISTRY.get_sample_value

    def waits():
        return tries("errand_dead_letter_waits_total", {"reader": follower}) or 0

    await api.request(admin, "STREAM.UPDATE.DEADLETTERS", {**usual, "max_msg_size": 1})
    try:
        async with reading(log, follower, after=head.sequence - 1) as reader:
            await eventually(waits, until=lambda n: n >= 2)
            await api.request(admin, "STREAM.UPDATE.DEADLETTERS", usual)
            await log.append(history, drafts("after"), after=head)
            await eventually(lambda: len(reader.of(history)), until=lambda n: n >= 2)
    finally:
        await api.request(admin, "STREAM.UPDATE.DEADLETTERS", usual)

    assert texts(reader.of(history)) == ["before", "after"]
    assert (await dead_letters(admin, follower)).data == b"poison"


async def test_the_head_of_a_history_that_ends_in_poison_can_be_appended_to(log, admin):
    history = new_history()
    await log.append(history, drafts("a"), after=NOWHERE)
    await admin.request(event_subject(history), b"poison", within_seconds=2)

    head = await log.append(history, drafts("b"), after=await log.head(history))

    assert head.version == 2


async def test_an_event_out_of_line_is_left_out_and_is_no_conflict(log, admin):
    history = new_history()
    head = await log.append(history, drafts("a"), after=NOWHERE)
    [recorded] = await log.read(history)
    forged = recorded.body.replace(b'"version":1', b'"version":7')
    await admin.request(event_subject(history), forged, within_seconds=2)

    await log.append(history, drafts("b"), after=head)

    assert texts(await log.read(history)) == ["a", "b"]
    with pytest.raises(Conflict):
        await log.append(history, drafts("c"), after=head)


async def test_a_forged_last_message_is_not_the_head(log, admin):
    history = new_history()
    head = await log.append(history, drafts("a"), after=NOWHERE)
    [recorded] = await log.read(history)
    forged = recorded.body.replace(b'"version":1', b'"version":1000000')
    await admin.request(event_subject(history), forged, within_seconds=2)

    assert await log.head(history) == head
    await log.append(history, drafts("b"), after=head)
    assert texts(await log.read(history)) == ["a", "b"]


async def test_too_many_events_at_once_are_refused_before_they_are_sent(log):
    with pytest.raises(ValueError, match="1001 events in one append"):
        await log.append(new_history(), drafts(*["x"] * 1001), after=NOWHERE)


async def test_the_largest_event_is_stored_and_a_larger_one_is_refused(log):
    history = new_history()
    begun = await log.append(history, drafts("a"), after=NOWHERE)

    def reply(characters):
        blocks = ({"type": "text", "text": "x" * characters},)
        fact = ModelReplied(
            turn=1, stop_reason="end_turn", usage=Usage(), cost_microusd=0, blocks=blocks
        )
        return [replace(each, event=fact) for each in drafts("a")]

    with pytest.raises(ValueError, match="object store"):
        await log.append(history, reply(262_144), after=begun)
    with pytest.raises(ValueError, match=r"length <= 65536"):
        await log.append(history, drafts("x" * 65_537), after=begun)
    await log.append(history, reply(260_000), after=begun)
    [_, stored] = await log.read(history)
    assert len(stored.event.blocks[0]["text"]) == 260_000


async def test_messages_carry_their_kind_and_the_trace(log, admin):
    history = new_history()
    tracer = TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("asking") as span:
        [draft] = drafts("a")
        head = await log.append(history, [draft], after=NOWHERE)

    answer = await admin.request(
        "$JS.API.DIRECT.GET.EVENTS", msgspec.json.encode({"seq": head.sequence}), within_seconds=2
    )
    headers = answer.headers
    assert headers["Nats-Msg-Id"] == draft.id
    assert headers["Errand-Type"] == "task.instructed"
    assert (headers["Errand-Version"], headers["Errand-Schema"]) == ("1", "1")
    assert f"{span.get_span_context().trace_id:032x}" in headers["traceparent"]


async def test_the_log_tells_which_it_is_and_where_it_ends(log):
    head = await log.append(new_history(), drafts("a"), after=NOWHERE)
    info = await log.info()
    assert info.last_sequence == head.sequence
    assert info.created.tzinfo is not None
    assert (await log.info()).created == info.created


@pytest.mark.parametrize("role", ["gateway", "projector", "analytics"])
async def test_every_reading_role_may_read_and_follow_as_it_needs(servers, log, role):
    history = new_history()
    head = await log.append(history, drafts("a"), after=NOWHERE)
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(as_role(servers, role))
        own = JetStreamLog(connection)
        assert texts(await own.read(history)) == ["a"]
        assert await own.head(history) == head
        if role != "gateway":
            reader = await stack.enter_async_context(reading(own, role, after=head.sequence - 1))
            await eventually(lambda: texts(reader.of(history)), until=lambda t: t == ["a"])


async def test_the_heads_of_many_histories_are_told_at_once(servers):
    async with as_role(servers, "gateway") as connection:
        log = JetStreamLog(connection)
        histories = [new_history() for _ in range(700)]
        for number, history in enumerate(histories[:600]):
            await log.append(history, drafts(*["x"] * (number % 3 + 1)), after=NOWHERE)

        heads = await log.heads(histories)

    assert heads == {history: n % 3 + 1 for n, history in enumerate(histories[:600])}
