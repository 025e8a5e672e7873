"""nats-py's client, but for what costs it much time a message.

It tries seven patterns on each message, reads and writes headers character by character, and hands
each message over through a queue to a task. With this one the log is followed three times as fast,
a batch costs a third of the time (docs/decisions/0009), and so does a page of a history. Source
of the protocol: NATS's "Client Protocol".
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.protocol.parser import Parser

_VERSION: Final = b"NATS/1.0"
_WITH_PAYLOAD: Final = (b"MSG ", b"HMSG ")
_DELIVERY: Final = re.compile(
    # Headers or none. Twice as fast as \S and \d.
    rb"H?MSG ([^ ]+) ([0-9]+) (\$JS\.ACK\.[^ ]+) (?:([0-9]+) )?([0-9]+)\r\n"
)
_ANSWER: Final = re.compile(
    # With headers, and without a reply subject.
    rb"HMSG ([^ ]+) ([0-9]+) ([0-9]+) ([0-9]+)\r\n"
)
_TRANSIENT: Final = re.compile(
    # A server that is busy, full or stopping: it or another may let us in a moment later.
    "authentication timeout|maximum (account )?(active )?connections|server shutdown",
    re.IGNORECASE,
)
_END: Final = b"\r\n"
_KIND: Final = b"\r\nErrand-Type:"
_ACK_TOKENS: Final = 9


class DeliveredMessage(msgspec.Struct, frozen=True, gc=False):
    """A stored message as a consumer delivers it.

    `sequence` is its place in the stream, `position` its place in the consumer's deliveries (1, 2,
    3 …), `stored_at` when the server stored it, in nanoseconds since 1970, `headers` the block as
    it came, empty when there was none.
    """

    subject: str
    body: bytes
    sequence: int
    position: int
    stored_at: int
    headers: bytes

    @property
    def kind(self) -> str:
        """The event's tag as its header has it; empty when its writer left the header out."""
        _, _, rest = self.headers.partition(_KIND)
        return rest.partition(b"\r\n")[0].strip().decode(errors="replace")


class DirectAnswer(NamedTuple):
    """A message with headers that wants no reply: one of a batch of direct gets, or its end."""

    subject: bytes
    headers: bytes
    body: bytes


class Headers(dict[str, str]):
    """The headers of a message by name, the last of each, and the block they came in."""

    raw: bytes = b""


OnDeliveries = Callable[[Sequence[DeliveredMessage]], None]
"""Takes deliveries of a consumer, all that came at once, where the socket is read."""

OnAnswers = Callable[[Sequence[DirectAnswer]], None]
"""Takes answers on an inbox, all that came at once, where the socket is read."""


class QuickClient(Client):
    """A client that hands deliveries and answers to their takers, by subscription, at once."""

    def __init__(self) -> None:
        super().__init__()
        self.on_deliveries: dict[int, OnDeliveries] = {}
        self.on_answers: dict[int, OnAnswers] = {}
        self._ps = _QuickParser(self)

    async def _send_publish(  # noqa: PLR0917 - the signature is nats-py's own
        self,
        subject: str,
        reply: str,
        payload: bytes,
        payload_size: int,
        headers: Mapping[str, str] | None,
    ) -> None:
        if not headers:
            await super()._send_publish(subject, reply, payload, payload_size, None)
            return
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        if lines.count("\n") + lines.count("\r") != 2 * len(headers):
            raise nats.errors.BadHeaderError(lines)
        block = f"NATS/1.0\r\n{lines}\r\n".encode()
        place = f"{subject} {reply}" if reply else subject
        self.stats["out_msgs"] += 1
        self.stats["out_bytes"] += payload_size
        command = f"HPUB {place} {len(block)} {len(block) + payload_size}\r\n".encode()
        await self._send_command(b"".join((command, block, payload, b"\r\n")))
        if self._flush_queue is not None and self._flush_queue.empty():
            await self._flush_pending()

    async def _process_err(self, err_msg: str) -> None:
        """Reconnect after a transient error; nats-py's own would close the client for good."""
        if _TRANSIENT.search(err_msg):
            await self._process_op_err(nats.errors.Error(f"nats: {err_msg.strip(chr(39))}"))
            return
        await super()._process_err(err_msg)

    async def _process_headers(self, headers: bytes) -> dict[str, str] | None:
        if not headers:
            return None
        line, _, rest = headers.partition(b"\r\n")
        found = self._parse_header_lines(rest)
        found.raw = headers
        status, _, description = line.removeprefix(_VERSION).strip().partition(b" ")
        if status:
            found["Status"] = status.decode(errors="replace")
            found["Description"] = description.decode(errors="replace").strip()
        return found

    @staticmethod
    def _parse_header_lines(raw: bytes) -> Headers:
        found = Headers()
        for line in raw.decode(errors="replace").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon:
                found[name.strip()] = value.strip()
        return found


def raw_headers(message: Msg) -> bytes:
    """Return the header block of a message as it came; empty when it had none."""
    return message.headers.raw if isinstance(message.headers, Headers) else b""


class _QuickParser(Parser):
    """Takes runs of deliveries or answers in one pass, and gives nats-py's parser all else."""

    def __init__(self, client: QuickClient) -> None:
        super().__init__(client)
        self._client = client

    def reset(self) -> None:
        """Forget what has come in part: a new connection begins."""
        super().reset()
        self._held = bytearray()
        self._wanted = 0

    async def parse(self, data: bytes = b"") -> None:
        """Act on all that is complete, and hold what is not. Raises ProtocolError."""
        held = self._held
        held += data
        if len(held) < self._wanted:
            return
        content, at = bytes(held), 0
        while True:
            while (end := self._take_run(content, at) or self._take_answers(content, at)) > at:
                at = end
            end = self._end_of_next(content, at)
            if not end:
                break
            await super().parse(content[at:end])
            if self._held is not held:  # the connection broke meanwhile
                return
            at = end
        held[:] = content[at:]

    def _take_run(self, content: bytes, at: int) -> int:
        """Hand over the deliveries of one consumer that stand here; return where they end.

        Returns 0 when none stands here.
        """
        run: list[DeliveredMessage] = []
        of, take = b"", None
        while (line := _DELIVERY.match(content, at)) is not None:
            subject, sid, reply, headers_size, size = line.groups()
            if sid != of and run:
                break
            if not run:
                of, take = sid, self._client.on_deliveries.get(int(sid))
            begin = line.end()
            body, end = begin + int(headers_size or 0), begin + int(size)
            if take is None or end + 2 > len(content):
                break
            try:
                place = _place(reply)
            except (ValueError, IndexError):  # no consumer's
                break
            name = subject.decode(errors="replace")
            run.append(DeliveredMessage(name, content[body:end], *place, content[begin:body]))
            at = end + 2
        if take is None or not run:
            return 0
        self._count(run)
        take(run)
        return at

    def _take_answers(self, content: bytes, at: int) -> int:
        """Hand over the answers on one inbox that stand here; return where they end.

        Returns 0 when none stands here.
        """
        run: list[DirectAnswer] = []
        of, take = b"", None
        while (line := _ANSWER.match(content, at)) is not None:
            subject, sid, headers_size, size = line.groups()
            if sid != of and run:
                break
            if not run:
                of, take = sid, self._client.on_answers.get(int(sid))
            begin = line.end()
            body, end = begin + int(headers_size), begin + int(size)
            if take is None or end + 2 > len(content):
                break
            run.append(DirectAnswer(subject, content[begin:body], content[body:end]))
            at = end + 2
        if take is None or not run:
            return 0
        self._count(run)
        take(run)
        return at

    def _count(self, run: Sequence[DeliveredMessage] | Sequence[DirectAnswer]) -> None:
        self._client.stats["in_msgs"] += len(run)
        self._client.stats["in_bytes"] += sum([len(each.body) for each in run])

    def _end_of_next(self, content: bytes, at: int) -> int:
        """Return where the message that begins here ends; 0 while it has not come whole."""
        line_end = content.find(_END, at)
        self._wanted = 0
        if line_end < 0:
            return 0
        end = line_end + 2
        if content.startswith(_WITH_PAYLOAD, at):
            size = content[at:line_end].rpartition(b" ")[2]
            if size.isdigit():  # else nats-py says what is wrong
                end += int(size) + 2
        if end > len(content):
            self._wanted = end - at
            return 0
        return end


def _place(reply: bytes) -> tuple[int, int, int]:
    """Read sequence, position and time from a reply subject, `$JS.ACK.…` of version 1 or 2."""
    tokens = reply.split(b".")
    first = 5 if len(tokens) <= _ACK_TOKENS else 7
    return int(tokens[first]), int(tokens[first + 1]), int(tokens[first + 2])
