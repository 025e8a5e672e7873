"""The quick client reads and writes the same as nats-py's own."""

import re

import nats.errors
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client
from nats.protocol.parser import Parser

from infra.log.event_log import Unavailable
from infra.log.jetstream.connection.client import QuickClient
from tests.kit.servers.nats_connections import as_role

TAKEN = (1, 2)
"""The subscriptions that somebody takes deliveries of."""

ANSWERED = 3
"""The subscription that somebody takes answers on."""

_words = st.text("abc_-.0", min_size=1, max_size=8).map(str.encode)
_bodies = st.one_of(st.binary(max_size=40), st.just(b"MSG a 1 2\r\nhi\r\nPING\r\n"))
_headers = st.sampled_from(
    [b"NATS/1.0\r\n\r\n", b"NATS/1.0\r\nErrand-Type: x\r\n\r\n", b"NATS/1.0 100 Idle\r\n\r\n"]
)


_acks = st.builds(
    b"$JS.ACK.%bE.c.1.%d.%d.%d.0%b ".__mod__,
    st.tuples(
        st.just(b""), st.integers(1, 99), st.integers(1, 99), st.integers(1, 10**19), st.just(b"")
    )
    | st.tuples(
        st.just(b"_.hash."),
        st.integers(1, 99),
        st.integers(1, 99),
        st.integers(1, 10**19),
        st.sampled_from([b"", b".a1b"]),
    ),
)
_ACK = re.compile(rb"\$JS\.ACK\.(?:_\.hash\.)?E\.c\.1\.(\d+)\.(\d+)\.(\d+)\.0(?:\.a1b)?")


@st.composite
def _messages(draw):
    subject, sid, body = draw(_words), draw(st.integers(1, 4)), draw(_bodies)
    reply = draw(st.one_of(st.sampled_from([b"", b"_INBOX.a ", b"$JS.ACK.E.c.1 "]), _acks))
    if draw(st.booleans()):
        return b"MSG %b %d %b%d\r\n%b\r\n" % (subject, sid, reply, len(body), body)
    block = draw(_headers)
    sizes = (len(block), len(block) + len(body))
    return b"HMSG %b %d %b%d %d\r\n%b%b\r\n" % (subject, sid, reply, *sizes, block, body)


_said = st.one_of(
    _messages(),
    st.sampled_from([b"PING\r\n", b"PONG\r\n", b"+OK\r\n", b'INFO {"a":1}\r\n', b"-ERR 'no'\r\n"]),
)


class Recorder:
    """Stands in the place of a client, and keeps what a parser tells it, by subscription."""

    def __init__(self):
        self.by_subscription = {}
        self.others = []
        self.stats = {"in_msgs": 0, "in_bytes": 0}
        self.on_deliveries = {sid: self._taker(sid) for sid in TAKEN}
        self.on_answers = {ANSWERED: self._take_answers}
        self.taken = 0

    def _taker(self, sid):
        def take(deliveries):
            for each in deliveries:
                place = (each.sequence, each.position, each.stored_at)
                self._keep(sid, each.subject.encode(), place, each.body, each.headers)

        return take

    def _take_answers(self, answers):
        self.taken += len(answers)
        for each in answers:
            self._keep(ANSWERED, each.subject, b"", each.body, each.headers)

    def _keep(self, sid, *message):
        self.by_subscription.setdefault(sid, []).append(message)

    async def _process_msg(self, sid, subject, reply, data, headers):
        place = _ACK.fullmatch(reply) if sid in TAKEN else None
        assert not (place and self.is_quick), "this one should have been taken"
        is_answer = sid == ANSWERED and headers and not reply
        assert not (is_answer and self.is_quick), "this one should have been taken"
        self._keep(
            sid, subject, tuple(map(int, place.groups())) if place else reply, data, headers or b""
        )

    async def _process_err(self, text):
        self.others.append(text)

    async def _process_ping(self):
        self.others.append("ping")

    async def _process_pong(self):
        self.others.append("pong")

    async def _process_info(self, info):
        self.others.append(info)

    is_quick = False


def quick_parser(heard):
    parser = QuickClient()._ps
    parser.nc = parser._client = heard
    heard.is_quick = True
    return parser


@given(st.lists(_said, max_size=12), st.lists(st.integers(1, 60), min_size=1, max_size=8))
async def test_however_it_is_torn_the_same_is_read_as_by_nats_py(said, sizes):
    content = b"".join(said)
    heard, by_nats_py = Recorder(), Recorder()
    quick, slow = quick_parser(heard), Parser(by_nats_py)
    at, number = 0, 0
    while at < len(content):
        size = sizes[number % len(sizes)]
        for parser in (quick, slow):
            await parser.parse(content[at : at + size])
        at, number = at + size, number + 1
    assert heard.by_subscription == by_nats_py.by_subscription
    assert heard.others == by_nats_py.others
    assert not quick._held


@pytest.mark.parametrize("garbage", [b"HMSG a 1 b c\r\n", b"MSG a 1 x\r\n", b"HELLO\r\n"])
async def test_what_is_no_protocol_is_refused(garbage):
    with pytest.raises(nats.errors.ProtocolError):
        await quick_parser(Recorder()).parse(garbage)


async def test_half_a_message_is_forgotten_with_its_connection():
    heard = Recorder()
    parser = quick_parser(heard)
    await parser.parse(b"MSG a 1 10\r\nabc")
    parser.reset()
    await parser.parse(b"MSG a 1 2\r\nhi\r\n")
    assert heard.by_subscription == {1: [(b"a", b"", b"hi", b"")]}


async def test_answers_that_come_at_once_are_taken_at_once():
    heard = Recorder()
    block = b"NATS/1.0\r\nNats-Sequence: 1\r\n\r\n"
    answer = b"HMSG _INBOX.a.1 3 %d %d\r\n%bhi\r\n" % (len(block), len(block) + 2, block)
    await quick_parser(heard).parse(answer * 3)
    assert heard.taken == 3
    assert heard.by_subscription == {3: [(b"_INBOX.a.1", b"", b"hi", block)] * 3}


async def test_what_came_behind_the_end_of_a_connection_is_not_read():
    heard = Recorder()
    parser = quick_parser(heard)

    async def connect_again(text):
        parser.reset()

    heard._process_err = connect_again
    await parser.parse(b"-ERR 'stale'\r\nMSG a 1 2\r\nhi\r\nMSG a 1 9\r\n")
    await parser.parse(b"PING\r\n")
    assert (heard.by_subscription, heard.others) == ({}, ["ping"])


async def test_headers_are_written_as_nats_py_writes_them():
    headers = {"Nats-Msg-Id": "evt_1", "who": "Grüße", "empty": "", "url": "nats://x:1"}
    said = []
    for kind in (Client, QuickClient):
        client = kind()
        client._send_command = written(said)
        for reply in ("", "_INBOX.1"):
            await client._send_publish("events.a.b", reply, b"{}", 2, headers)
    assert said[:2] == said[2:]


def written(into):
    async def write(command):
        into.append(bytes(command).replace(b"  ", b" "))  # nats-py writes two where no reply is

    return write


@pytest.mark.parametrize("value", ["a\r\nErrand-Type: b", "a\nb", "a\rb"])
async def test_a_header_of_two_lines_is_not_sent(servers, value):
    async with as_role(servers, "gateway") as gateway:
        with pytest.raises(Unavailable):
            await gateway.publish("events.a.b", b"", headers={"Nats-Msg-Id": value})


def test_headers_are_read_as_nats_py_reads_them():
    raw = (
        "Nats-Msg-Id: evt_1\r\nErrand-Type:task.submitted\r\nurl: nats://x:1\r\n"
        "who: Grüße \r\nempty:\r\nno colon\r\n\r\n".encode()
    )
    assert QuickClient._parse_header_lines(raw) == Client._parse_header_lines(raw)
