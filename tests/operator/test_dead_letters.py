"""Dead letters on the real log: parked once in the eyes of people, shown, retried, dropped."""

import json
import secrets

import pytest

from events import NOWHERE
from infra.log.jetstream import JetStreamLog
from infra.log.jetstream.dead_letters.letters import dead_letters_of, open_dead_letters
from tests.kit.build.event_logs import drafts, new_history, reading, texts
from tests.kit.build.poison_messages import body, put
from tests.kit.probe.eventually import eventually
from tests.kit.run.operator_commands import operate, operator_environment
from tests.kit.servers.nats_connections import as_admin, as_role


@pytest.fixture
async def operator(servers):
    async with as_role(servers, "operator") as connection:
        yield connection


@pytest.fixture
async def admin(servers):
    async with as_admin(servers) as connection:
        yield connection


@pytest.fixture
async def log(servers):
    async with as_role(servers, "scheduler") as connection:
        yield JetStreamLog(connection)


async def own(operator, reader):
    return [letter for letter in await open_dead_letters(operator) if letter.reader == reader]


async def parked(log, operator, history, *, after):
    """Let a reader of a name of its own meet the poison."""
    name = f"r{secrets.token_hex(4)}"
    async with reading(log, name, after=after):
        return name, await eventually(lambda: own(operator, name))


async def test_a_reader_that_starts_again_parks_nothing_twice_for_those_who_look(
    log, admin, operator
):
    history = new_history()
    head = await log.append(history, drafts("a"), after=NOWHERE)
    place = await put(admin, history, b"\x00 no JSON")

    name, [letter] = await parked(log, operator, history, after=head.sequence)
    # The server forgets ids after two minutes; a copy is what a later restart would leave.
    await admin.request(
        f"dead.{name}",
        letter.body,
        headers={
            "Errand-Reason": "again",
            "Errand-Subject": letter.subject,
            "Errand-Sequence": str(place),
        },
        within_seconds=2,
    )

    [again] = await own(operator, name)
    assert (again.number, again.sequence, again.body) == (letter.number, place, b"\x00 no JSON")
    assert len(again.copies) == 2
    assert "JSON" in again.reason


async def test_a_letter_is_listed_shown_and_dropped_for_good(
    servers, log, admin, operator, tmp_path
):
    history = new_history()
    head = await log.append(history, drafts("a"), after=NOWHERE)
    await put(admin, history, body(history, version=2, type="task.unheard_of", text="\x1b[31mred"))
    name, [letter] = await parked(log, operator, history, after=head.sequence)

    async def errand(*words, code=0):
        return await operate(
            operator_environment(servers, tmp_path), tmp_path, "deadletters", *words, code=code
        )

    listed = [json.loads(line) for line in (await errand("list", "--json")).splitlines()]
    assert [each["number"] for each in listed if each["reader"] == name] == [letter.number]
    shown = await errand("show", str(letter.number))
    assert f"sequence {letter.sequence} on {letter.subject}" in shown
    assert "task.unheard_of" in shown
    assert "\x1b" not in shown
    assert name in await errand("list")
    assert "cannot be read yet" in await errand("retry", str(letter.number), code=1)
    assert await own(operator, name)

    assert "stays in the log" in await errand("drop", str(letter.number))
    assert not await own(operator, name)
    assert not any(each.body for each in await dead_letters_of(operator, letter.subject))
    assert "no letter" in await errand("show", str(letter.number), code=1)
    async with reading(log, name, after=head.sequence) as reader:
        await log.append(history, drafts("b"), after=head)
        await eventually(lambda: texts(reader.of(history)), until=lambda t: t == ["b"])
    assert not await own(operator, name), "what was dropped came back with a restart"


async def test_what_reads_by_now_is_settled_by_a_retry(servers, log, admin, operator, tmp_path):
    """An edition of long ago parked what this one reads."""
    history = new_history()
    head = await log.append(history, drafts("a", "b"), after=NOWHERE)
    recorded = (await log.read(history))[1]
    name = f"r{secrets.token_hex(4)}"
    await admin.request(
        f"dead.{name}",
        recorded.body,
        headers={
            "Errand-Reason": "unknown tag",
            "Errand-Subject": f"events.{history.account}.{history.task}",
            "Errand-Sequence": str(head.sequence),
        },
        within_seconds=2,
    )
    [letter] = await own(operator, name)

    said = await operate(
        operator_environment(servers, tmp_path),
        tmp_path,
        "deadletters",
        "retry",
        str(letter.number),
    )

    assert f"version 2 of {history.task}" in said
    assert f"let it read the log from {head.sequence} on" in said
    assert not await own(operator, name)


async def test_an_event_out_of_line_reaches_no_follower_and_is_parked(log, admin, operator):
    history = new_history()
    head = await log.append(history, drafts("a", "b"), after=NOWHERE)
    start = head.sequence - 1  # the follower meets the history in its middle
    for version in (2, 9):
        await put(admin, history, body(history, version=version, id=f"evt_{version}"))
    name = f"r{secrets.token_hex(4)}"

    async with reading(log, name, after=start) as reader:
        await log.append(history, drafts("c"), after=head)
        await eventually(lambda: texts(reader.of(history)), until=lambda t: t[-1:] == ["c"])

    assert texts(reader.of(history)) == ["b", "c"]
    assert [letter.reason for letter in await own(operator, name)] == [
        "version 2 follows 2",
        "version 9 follows 2",
    ]
