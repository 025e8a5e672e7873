"""Every answer the server gives to an append, and what follows from it."""

import asyncio

import msgspec
import pytest

from events import Head
from infra.log.event_log import Conflict, Refused, Unavailable
from infra.log.event_mac import read_keys
from infra.log.jetstream.write.append import Appender, Contended, EventMark, HistoryGrowth
from tests.kit.build.event_logs import drafts, new_history
from tests.kit.build.signing_keys import KEYS_TEXT

AFTER = Head(3, 30)


def stored(sequence, **more):
    return msgspec.json.encode({"stream": "EVENTS", "seq": sequence, **more})


def refusal(code, err_code, description):
    error = {"code": code, "err_code": err_code, "description": description}
    return msgspec.json.encode({"error": error, "stream": "EVENTS", "seq": 0})


WRONG_LAST = refusal(400, 10071, "wrong last sequence: 31")
WRONG_LAST_ON_A_CLUSTER = refusal(400, 10164, "wrong last sequence")
SEEN = refusal(400, 10201, "atomic publish batch contains duplicate message id")


class Answer:
    def __init__(self, data) -> None:
        self.data = data


class ScriptedConnection:
    """Answers from a list; an exception in it is raised."""

    def __init__(self, *answers) -> None:
        self._answers = list(answers)
        self.client = self
        self.keys = read_keys(KEYS_TEXT)
        self.said = []

    def new_inbox(self):
        return f"_INBOX.{len(self.said)}"

    def require_open(self):
        pass

    async def publish(self, subject, body, *, headers):
        self.said.append(headers)

    async def request(self, subject, body, *, headers, within_seconds):
        self.said.append(headers)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Answer(answer)


class History:
    """Shows, each time it is looked at, the next of the growths it was given."""

    def __init__(self, *growths) -> None:
        self._growths = list(growths)
        self.looks = []

    async def look(self, after, last, within_seconds):
        self.looks.append((after, last))
        return self._growths.pop(0)


async def append(connection, history, events, *, seconds=2.0):
    appender = Appender(
        connection, new_history(), history.look, deadline_seconds=seconds, jitter=lambda: 0.1
    )
    return await appender.append(events, AFTER)


def own(events, first=31):
    return HistoryGrowth(
        [EventMark(d.id, n) for n, d in enumerate(events, first)], first + len(events) - 1
    )


async def test_an_ack_is_the_new_head():
    connection = ScriptedConnection(stored(31))
    assert await append(connection, History(), drafts("a")) == Head(4, 31)
    [headers] = connection.said
    assert headers["Nats-Expected-Last-Subject-Sequence"] == "30"
    assert headers["Errand-Version"] == "4"


async def test_several_are_one_batch_guarded_by_its_first():
    connection = ScriptedConnection(stored(33, batch="b", count=3))
    assert await append(connection, History(), drafts("a", "b", "c")) == Head(6, 33)
    guards = [h.get("Nats-Expected-Last-Subject-Sequence") for h in connection.said]
    assert guards == ["30", None, None]
    assert [h["Nats-Batch-Sequence"] for h in connection.said] == ["1", "2", "3"]
    assert [h.get("Nats-Batch-Commit") for h in connection.said] == [None, None, "1"]
    assert len({h["Nats-Batch-Id"] for h in connection.said}) == 1


@pytest.mark.parametrize(
    ("answer", "last"),
    [
        (stored(31, duplicate=True), None),
        (WRONG_LAST, 31),
        (WRONG_LAST_ON_A_CLUSTER, None),
        (SEEN, None),
    ],
    ids=["duplicate", "wrong last", "wrong last on a cluster", "seen in a batch"],
)
async def test_a_doubt_is_settled_by_looking(answer, last):
    mine = drafts("a", "b")
    history = History(own(mine))
    assert await append(ScriptedConnection(answer), history, mine) == Head(5, 32)
    assert history.looks == [(30, last)]

    with pytest.raises(Conflict):
        await append(ScriptedConnection(answer), History(own(drafts("x", "y"))), mine)


@pytest.mark.parametrize(
    "passing",
    [
        Unavailable("no answer"),
        refusal(503, 10008, "jetstream system temporarily unavailable"),
        refusal(400, 10176, "atomic publish batch is incomplete"),
        refusal(409, 10158, "duplicate message id is in process"),
    ],
    ids=["silence", "away", "torn batch", "in process"],
)
async def test_what_passes_is_tried_again_with_the_same_ids(passing):
    connection = ScriptedConnection(passing, passing, stored(31))
    assert await append(connection, History(), drafts("a")) == Head(4, 31)
    assert len({headers["Nats-Msg-Id"] for headers in connection.said}) == 1


async def test_a_log_that_never_answers_is_unavailable_by_the_deadline():
    silence = [Unavailable("no answer")] * 100
    with pytest.raises(Unavailable, match="in time: no answer"):
        await append(ScriptedConnection(*silence), History(), drafts("a"), seconds=0.1)


async def test_what_is_no_event_is_appended_behind():
    connection = ScriptedConnection(WRONG_LAST, stored(32))
    assert await append(connection, History(HistoryGrowth([], 31)), drafts("a")) == Head(4, 32)
    guards = [h["Nats-Expected-Last-Subject-Sequence"] for h in connection.said]
    assert guards == ["30", "31"]


async def test_a_full_history_is_refused_with_a_remedy():
    full = refusal(503, 10077, "maximum messages per subject exceeded")
    with pytest.raises(Refused, match=r"20000 events\. Submit a new task"):
        await append(ScriptedConnection(full), History(), drafts("a"))


async def test_what_will_never_pass_is_refused_at_once():
    wrong = refusal(400, 10060, "expected stream does not match")
    with pytest.raises(Refused, match="expected stream does not match"):
        await append(ScriptedConnection(wrong), History(), drafts("a"))


async def test_a_history_that_others_flood_says_nothing_against_the_log():
    class Flooded(History):
        async def look(self, after, last, within_seconds):
            return HistoryGrowth([], last)

    refusals = (refusal(400, 10071, f"wrong last sequence: {n}") for n in range(31, 10**6))

    class Busy(ScriptedConnection):
        async def request(self, subject, body, *, headers, within_seconds):
            await asyncio.sleep(0)
            return Answer(next(refusals))

    with pytest.raises(Contended, match="not events keep coming in"):
        await append(Busy(), Flooded(), drafts("a"), seconds=0.1)
