"""A selection of the log as an analyst reads it: with the read-only user, on the real server."""

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from events import NOWHERE, BudgetRaised, TaskCancelled, TaskInstructed, event_subject
from infra.log.jetstream import JetStreamLog, Selection, replay
from infra.runtime.clock import DraftFactory, utc_now
from tests.kit.build.event_logs import drafts, new_history, texts
from tests.kit.probe.eventually import eventually
from tests.kit.servers.nats_connections import as_admin, as_role


@pytest.fixture
async def log(servers):
    async with as_role(servers, "scheduler") as connection:
        yield JetStreamLog(connection)


@pytest.fixture
async def analyst(servers):
    async with as_role(servers, "analytics") as connection:
        yield connection


async def selected(analyst, **selection):
    async with asyncio.timeout(20):
        return [
            recorded
            async for batch in replay(analyst, "test", Selection(**selection))
            for recorded in batch
        ]


async def test_an_account_is_read_and_no_other(log, analyst):
    history, other = new_history(), new_history()
    head = NOWHERE
    for number in range(5):
        head = await log.append(history, drafts(str(number)), after=head)
        await log.append(new_history(), drafts("noise"), after=NOWHERE)
    last = await log.append(other, drafts("noise"), after=NOWHERE)

    seen = await selected(analyst, account=history.account, up_to=last.sequence)

    assert texts(seen) == ["0", "1", "2", "3", "4"]
    assert {r.account for r in seen} == {history.account}


async def test_the_wanted_types_are_told_apart_by_their_header(servers, log, analyst):
    history = new_history()
    made = DraftFactory(utc_now).drafts(
        [TaskInstructed(text="a"), BudgetRaised(cost_microusd=1), TaskCancelled()], by="x"
    )
    head = await log.append(history, made, after=NOWHERE)
    # A body that nothing could decode, under a type nobody asked for: it is never looked at.
    async with as_admin(servers) as admin:
        answer = await admin.request(
            event_subject(history),
            b"\x00",
            headers={"Errand-Type": "task.noise"},
            within_seconds=2,
        )
    up_to = msgspec.json.decode(answer.data)["seq"]
    assert up_to > head.sequence

    types = frozenset({"task.cancelled", "budget.raised"})
    seen = await selected(analyst, account=history.account, types=types, up_to=up_to)

    assert [type(r.event) for r in seen] == [BudgetRaised, TaskCancelled]


async def test_what_is_no_event_is_left_out_and_the_reading_goes_on(servers, log, analyst):
    history = new_history()
    await log.append(history, drafts("a"), after=NOWHERE)
    async with as_admin(servers) as admin:
        await admin.request(event_subject(history), b"{}", within_seconds=2)
    last = await log.append(history, drafts("b"), after=await log.head(history))
    seen = await selected(analyst, account=history.account, up_to=last.sequence)
    assert texts(seen) == ["a", "b"]


async def test_a_reader_goes_on_from_its_cursor(log, analyst):
    history = new_history()
    first = await log.append(history, drafts("a", "b"), after=NOWHERE)
    last = await log.append(history, drafts("c"), after=first)
    seen = await selected(
        analyst, after=first.sequence, up_to=last.sequence, account=history.account
    )
    assert texts(seen) == ["c"]
    nothing = await selected(
        analyst, after=last.sequence, up_to=last.sequence, account=history.account
    )
    assert nothing == []


async def test_a_time_begins_and_ends_a_reading(log, analyst):
    history = new_history()
    head = await log.append(history, drafts("before"), after=NOWHERE)
    await asyncio.sleep(0.02)  # so that the server's clock tells them apart
    since = utc_now()
    head = await log.append(history, drafts("between"), after=head)
    await asyncio.sleep(0.02)
    up_to = utc_now()
    await log.append(history, drafts("after"), after=head)
    account = history.account
    assert texts(await selected(analyst, account=account, since=since, up_to=up_to)) == ["between"]
    assert texts(await selected(analyst, account=account, since=since, up_to=utc_now())) == [
        "between",
        "after",
    ]
    now = utc_now()
    assert await selected(analyst, account=account, since=now, up_to=now) == []
    assert await selected(analyst, account=new_history().account, up_to=now) == []


async def test_a_reading_up_to_what_is_not_there_yet_waits_for_it(log, analyst):
    history = new_history()
    head = await log.append(history, drafts("a"), after=NOWHERE)
    async with asyncio.TaskGroup() as group:
        # Two more, and the second of them is of somebody else.
        reading = group.create_task(
            selected(analyst, account=history.account, up_to=head.sequence + 2)
        )
        await asyncio.sleep(0.3)  # so that it really waits; the result does not depend on it
        assert not reading.done()
        await log.append(history, drafts("b"), after=head)
        await log.append(new_history(), drafts("noise"), after=NOWHERE)
    assert texts(reading.result())[:2] == ["a", "b"]


@pytest.mark.parametrize("speed", [1.0, 10.0])
async def test_the_events_keep_their_pace(log, analyst, speed):
    history, began = new_history(), datetime(2026, 1, 1, tzinfo=UTC)
    moments = iter([began + timedelta(seconds=n * 0.3 * speed) for n in range(3)])
    made = [
        draft
        for moment in moments
        for draft in DraftFactory(lambda at=moment: at).drafts([TaskInstructed(text="x")], by="x")
    ]
    last = await log.append(history, made, after=NOWHERE)
    loop, arrivals = asyncio.get_running_loop(), []
    selection = Selection(account=history.account, up_to=last.sequence, speed=speed)
    async for batch in replay(analyst, "paced", selection):
        arrivals += [loop.time()] * len(batch)
    assert [round(at - arrivals[0], 1) for at in arrivals] == pytest.approx([0, 0.3, 0.6], abs=0.15)


async def test_a_slow_pace_can_be_broken_off(log, analyst):
    history, until = new_history(), asyncio.Event()
    early = DraftFactory(lambda: datetime(2026, 1, 1, tzinfo=UTC)).drafts([TaskCancelled()], by="x")
    late = DraftFactory(lambda: datetime(2026, 1, 2, tzinfo=UTC)).drafts([TaskCancelled()], by="x")
    last = await log.append(history, [*early, *late], after=NOWHERE)
    selection = Selection(account=history.account, up_to=last.sequence, speed=1.0)
    seen = []
    async with asyncio.timeout(5):
        async for batch in replay(analyst, "stopped", selection, until=until):
            seen += batch
            until.set()
    assert len(seen) == 1


async def test_a_reading_survives_the_server_and_repeats_nothing(servers, log, analyst):
    history, until, seen = new_history(), asyncio.Event(), []
    head = await log.append(history, drafts(*["x"] * 50), after=NOWHERE)

    async def read():
        async for batch in replay(
            analyst, "restart", Selection(account=history.account), until=until
        ):
            seen.extend(batch)

    async with asyncio.TaskGroup() as group:
        group.create_task(read())
        await eventually(lambda: len(seen) == 50)
        await servers.restart("nats")
        await log.append(history, drafts(*["y"] * 50), after=head)
        await eventually(lambda: len(seen) >= 100, seconds=20)
        until.set()
    assert [r.version for r in seen] == list(range(1, 101))


@pytest.mark.parametrize(
    "nonsense", [{"speed": 0.0}, {"since": datetime(2026, 1, 1)}, {"up_to": datetime(2026, 1, 1)}]
)
def test_a_selection_that_cannot_be_meant_is_refused(nonsense):
    with pytest.raises(ValueError, match=r"aware datetime|leads nowhere"):
        Selection(**nonsense)
