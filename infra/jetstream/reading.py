"""Reading one history: batches of direct gets, checked against the leader.

Any replica may answer a direct get (ADR-31), and one that lags would show an older history. So the
leader is asked for the last message, and batches are read until it is reached.
"""

import asyncio
from base64 import b64decode
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec
from nats.aio.msg import Msg

from infra.event_log import Unavailable
from infra.jetstream.client import raw_headers
from infra.jetstream.connection import ApiError, Connection
from infra.jetstream.legible import Stored
from infra.jetstream.streams import STREAM

_PAGE: Final = 500
_PAGE_BYTES: Final = 8 * 1024 * 1024
NO_MESSAGE: Final = 10037
_RETRY_SECONDS: Final = 0.02
_ANSWER_SECONDS: Final = 2.0


class _Message(msgspec.Struct, frozen=True):
    seq: int
    data: str = ""
    hdrs: str = ""


class _Got(msgspec.Struct, frozen=True):
    message: _Message


class _State(msgspec.Struct, frozen=True):
    subjects: dict[str, int] | None = None


class _Counted(msgspec.Struct, frozen=True):
    state: _State


_got = msgspec.json.Decoder(_Got)
_counted = msgspec.json.Decoder(_Counted)


async def last_message(
    connection: Connection, subject: str, *, within_seconds: float
) -> Stored | None:
    """Ask the leader for a subject's last message. Raises Unavailable."""
    question = {"last_by_subj": subject}
    try:
        answer = await _ask(connection, f"STREAM.MSG.GET.{STREAM}", question, within_seconds)
    except ApiError as refusal:
        if refusal.code == NO_MESSAGE:
            return None
        raise
    message = _got.decode(answer).message
    return Stored(message.seq, b64decode(message.data), b64decode(message.hdrs))


async def count(connection: Connection, subject: str, *, within_seconds: float) -> int:
    """Ask the leader how many messages stand on one subject. Raises Unavailable."""
    question = {"subjects_filter": subject}
    answer = await _ask(connection, f"STREAM.INFO.{STREAM}", question, within_seconds)
    return (_counted.decode(answer).state.subjects or {}).get(subject, 0)


async def first_sequence(connection: Connection, subject: str, *, within_seconds: float) -> int:
    """Ask the leader where a subject's first message stands, 0 for none. Raises Unavailable."""
    question = {"seq": 1, "next_by_subj": subject}
    try:
        answer = await _ask(connection, f"STREAM.MSG.GET.{STREAM}", question, within_seconds)
    except ApiError as refusal:
        if refusal.code == NO_MESSAGE:
            return 0
        raise
    return _got.decode(answer).message.seq


async def messages(
    connection: Connection, subject: str, *, after: int, within_seconds: float
) -> list[Stored]:
    """Return a subject's messages above the sequence `after`, up to the leader's last.

    Raises Unavailable when the next of them have not come within the time.
    """
    found: list[Stored] = []
    async for page in pages(connection, subject, after=after, within_seconds=within_seconds):
        found += page
    return found


async def pages(
    connection: Connection,
    subject: str,
    *,
    after: int,
    within_seconds: float,
    limit: int = _PAGE,
) -> AsyncGenerator[list[Stored], None]:
    """Yield a subject's messages above the sequence `after`, up to the leader's last, by pages.

    However long the history, a page at a time is held. Raises Unavailable when the next page has
    not come within the time.
    """
    reached = after
    async with _pages(connection, subject, min(limit, _PAGE)) as source:
        while True:
            try:
                async with asyncio.timeout(within_seconds):
                    page, is_last = await _next_page(connection, source, reached, within_seconds)
            except TimeoutError:
                raise Unavailable(
                    f"NATS did not hand over {subject} in {within_seconds:g} s."
                ) from None
            if page:
                reached = page[-1].sequence
                yield page
            if is_last:
                return


async def _next_page(
    connection: Connection, source: "_Pages", reached: int, within_seconds: float
) -> tuple[list[Stored], bool]:
    """Fetch the page behind `reached`, and tell whether it ends with the leader's last."""
    while True:
        page = await source.after(reached)
        if len(page) == source.limit:
            return page, False
        last = await last_message(connection, source.subject, within_seconds=within_seconds)
        end = page[-1].sequence if page else reached
        if last is None or last.sequence <= end:
            return page, True
        if page:
            return page, False
        await asyncio.sleep(_RETRY_SECONDS)


async def _ask(connection: Connection, verb: str, question: object, within_seconds: float) -> bytes:
    """Ask the leader, and its successor when it dies before it answers.

    Raises Unavailable after this time, ApiError when the refusal will not pass.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_seconds
    while True:
        patience_seconds = min(_ANSWER_SECONDS, max(_RETRY_SECONDS, deadline - loop.time()))
        try:
            return await connection.ask(verb, question, within_seconds=patience_seconds)
        except (ApiError, Unavailable) as error:
            if isinstance(error, ApiError) and not error.is_passing:
                raise
            connection.require_open()
            if loop.time() >= deadline:
                raise Unavailable(str(error)) from error
        await asyncio.sleep(_RETRY_SECONDS)


class _Pages:
    """Asks for batches and gathers them on an inbox of their own."""

    def __init__(self, connection: Connection, subject: str, limit: int) -> None:
        self._connection = connection
        self.limit = limit
        self.subject = subject
        self.inbox = connection.client.new_inbox()
        self._answers: asyncio.Queue[Msg] = asyncio.Queue()
        self._asked = 0

    async def hear(self, message: Msg) -> None:
        self._answers.put_nowait(message)

    async def after(self, sequence: int) -> list[Stored]:
        """Fetch up to a page; asked again while the answer is torn by a reconnect."""
        while True:
            page = await self._fetch(sequence)
            if page is not None:
                return page
            self._connection.require_open()
            await asyncio.sleep(_RETRY_SECONDS)

    async def _fetch(self, sequence: int) -> list[Stored] | None:
        self._asked += 1
        question = {
            "seq": sequence + 1,
            "batch": self.limit,
            "max_bytes": _PAGE_BYTES,
            "next_by_subj": self.subject,
        }
        await self._connection.publish(
            f"$JS.API.DIRECT.GET.{STREAM}",
            msgspec.json.encode(question),
            reply=f"{self.inbox}.{self._asked}",
        )
        try:
            async with self._connection.patience(_ANSWER_SECONDS):
                return await self._gather()
        except TimeoutError:
            return None

    async def _gather(self) -> list[Stored] | None:
        """Collect one answer: messages chained by Nats-Last-Sequence, closed by a 204 or a 404."""
        page: list[Stored] = []
        while True:
            message = await self._answers.get()
            if message.subject != f"{self.inbox}.{self._asked}":
                continue
            headers = message.headers or {}
            before = page[-1].sequence if page else 0
            is_stored = "Nats-Sequence" in headers  # it may claim to have a status too
            match None if is_stored else headers.get("Status"):
                case None:
                    if int(headers["Nats-Last-Sequence"]) != before:
                        return None
                    page.append(
                        Stored(int(headers["Nats-Sequence"]), message.data, raw_headers(message))
                    )
                case "204":
                    return page if int(headers["Nats-Last-Sequence"]) == before else None
                case "404":
                    return page
                case _:
                    return None


@asynccontextmanager
async def _pages(connection: Connection, subject: str, limit: int) -> AsyncIterator[_Pages]:
    pages = _Pages(connection, subject, limit)
    subscription = await connection.client.subscribe(f"{pages.inbox}.*", cb=pages.hear)
    try:
        yield pages
    finally:
        if not connection.is_closed:
            await subscription.unsubscribe()
