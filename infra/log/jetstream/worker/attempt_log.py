"""The history of one task as the worker of one attempt has it: with a worker's rights alone.

The worker may publish on its task's subject and pull from its reader (`reader`), no more: it cannot
ask what the log holds, nor recreate its reader. Whatever it needs to know, it learns from what the
reader delivers, and when it may have missed something it asks the scheduler, by its beats, for a
fresh reader. The reader delivers the whole history, so the k-th delivery of any of its incarnations
is the same message, and the count of deliveries alone tells whether one is missing.

A worker has no key, and cannot tell a genuine event of the control plane from a forged one. So what
says it is one counts only after the gateway confirmed it (`verification`).
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack
from itertools import islice
from types import TracebackType
from typing import Final, Self, cast

from events import Draft, Head, History, Recorded, WorkerEvent, event_subject
from events.codec import AnyEvent
from infra.log.event_log import Unavailable
from infra.log.jetstream.connection.client import DeliveredMessage
from infra.log.jetstream.connection.connection import Connection
from infra.log.jetstream.connection.waiting import Signal, wait_for_either
from infra.log.jetstream.read.decode import HistoryDecoder, StoredMessage
from infra.log.jetstream.read.pulls import BatchPulls
from infra.log.jetstream.worker.verification import VerifiedWriters, Verify
from infra.log.jetstream.write.append import Appender, EventMark, HistoryGrowth, last_sequence
from infra.runtime.telemetry import logger

_BATCH: Final = 500
_HEARTBEAT_SECONDS: Final = 2.0
_RETRY_SECONDS: Final = 0.2
_ANSWER_SECONDS: Final = 2.0

_log = logger(__name__)


def _nobody(_generation: int) -> None:
    """Notify nobody: the caller looks at `reader_generation` by itself."""


class AttemptLog:
    """One task's history: catch up with it, follow it, append to it. Use in `async with`.

    `verify` asks whether the control plane's events are genuine; it is awaited for those alone.
    `reader_generation` starts at 1 and grows when a fresh reader is needed; `asked` is then called
    with it. Put it in every beat, and beat at once while `is_waiting_for_reader`.
    """

    def __init__(
        self,
        connection: Connection,
        history: History,
        reader: str,
        *,
        verify: Verify,
        asked: Callable[[int], None] = _nobody,
        deadline_seconds: float = 10.0,
        heartbeat_seconds: float = _HEARTBEAT_SECONDS,
    ) -> None:
        self._connection = connection
        self._deadline_seconds = deadline_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._asked = asked
        self._history = history
        self._writers = VerifiedWriters(verify)
        self._sieve = HistoryDecoder(event_subject(history), proofs=self._writers)
        self._unread: deque[DeliveredMessage] = deque()
        self._reading = asyncio.Lock()
        self._arrived: deque[Recorded] = deque()
        self._marks: list[EventMark] = []
        self._position = 0
        self._sequence = 0
        self._reconnects = connection.reconnects
        self._pull_at = 0.0
        self._signal = Signal()
        self._hooks = ExitStack()
        self._pulls = BatchPulls(
            connection,
            reader,
            take=self._take,
            notice=self._notice,
            batch=_BATCH,
            heartbeat_seconds=heartbeat_seconds,
        )
        self._appender = Appender(
            connection, history, self._look, deadline_seconds=deadline_seconds
        )
        self.reader_generation = 1
        self.is_waiting_for_reader = False

    async def __aenter__(self) -> Self:
        self._hooks.enter_context(self._connection.on_reconnect(self._signal.give))
        await self._pulls.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._hooks.close()
        await self._pulls.close()

    async def append(self, drafts: Sequence[Draft[WorkerEvent]], *, after: Head) -> Head:
        """Append all drafts after `after`, together or not at all; return the new head.

        Raises Conflict, Unavailable, Refused when the history is full, ValueError when there are
        more than 1,000 drafts or one is longer than 255 KiB.
        """
        return await self._appender.append(cast("Sequence[Draft[AnyEvent]]", drafts), after)

    async def catch_up(self) -> Sequence[Recorded]:
        """Return what the history holds beyond what this object has given, oldest first.

        Whatever was appended before the call is in it. Raises Unavailable when the reader does not
        deliver before the deadline.
        """
        await self._reach(None, self._deadline_seconds)
        return self._give()

    async def follow(self, until: asyncio.Event) -> AsyncIterator[Sequence[Recorded]]:
        """Yield what comes, own events too, oldest first, without gap or repeat, until set.

        Shares its place with `catch_up`: an event is given once. Raises Unavailable when the
        connection ends for good.
        """
        while not until.is_set():
            signalled = self._signal.next
            await self._read_patiently()
            if self._arrived:
                yield self._give()
            else:
                await self._tend()
                await wait_for_either(signalled, until, seconds=self._tick())

    async def _reach(self, last: int | None, within_seconds: float) -> None:
        """Wait until everything up to the sequence `last` is here; None: to the history's end."""
        never = asyncio.Event()
        try:
            async with asyncio.timeout(within_seconds):
                if last is None:
                    last = await self._last_sequence()
                while True:
                    signalled = self._signal.next
                    await self._read()
                    if self._sequence >= last:
                        return
                    await self._tend()
                    await wait_for_either(signalled, never, seconds=self._tick())
        except TimeoutError:
            raise Unavailable(
                "The reader of this attempt does not deliver, or the gateway does not say what is "
                "genuine. Do scheduler and gateway run?"
            ) from None

    async def _last_sequence(self) -> int:
        while True:
            try:
                return await last_sequence(
                    self._connection, self._history, within_seconds=_ANSWER_SECONDS
                )
            except Unavailable:
                self._connection.require_open()
                await asyncio.sleep(_RETRY_SECONDS)

    async def _read_patiently(self) -> None:
        """Read what came, as far as the broker answers: until it does, nothing more is given."""
        try:
            await self._read()
        except Unavailable as reason:
            self._connection.require_open()
            _log.warning("verification.waiting", reason=str(reason))

    async def _read(self) -> None:
        """Read what came, in order, after the gateway was asked about it. Raises Unavailable."""
        async with self._reading:
            while self._unread:
                some = list(islice(self._unread, _BATCH))
                await self._writers.learn(some)
                for each in some:
                    self._unread.popleft()
                    self._admit(each)

    def _admit(self, delivered: DeliveredMessage) -> None:
        self._sequence = delivered.sequence
        stored = StoredMessage(delivered.sequence, delivered.body, delivered.headers)
        recorded = self._sieve.admit(stored)
        if recorded is not None:
            self._marks.append(EventMark(recorded.id, recorded.sequence))
            self._arrived.append(recorded)

    def _give(self) -> list[Recorded]:
        given = list(self._arrived)
        self._arrived.clear()
        return given

    async def _look(self, after: int, last: int | None, within_seconds: float) -> HistoryGrowth:
        """See, by what the reader delivers, what stands in the history after a sequence."""
        await self._reach(last, within_seconds)
        return HistoryGrowth(
            [mark for mark in self._marks if mark.sequence > after], self._sequence
        )

    async def _tend(self) -> None:
        """Keep the pulls going; ask for a fresh reader when what comes cannot be trusted."""
        self._connection.require_open()
        if self._connection.reconnects != self._reconnects:
            self._reconnects = self._connection.reconnects
            self._pulls.forget()
            self._ask_for_reader("the connection broke", again=True)
        elif self._pulls.is_silent:
            self._pulls.forget()
            self._ask_for_reader("two heartbeats are missing")
        elif self._pulls.is_over:
            if self._pulls.is_missing:
                self._ask_for_reader("there is no such reader")
            self._pulls.forget()
            self._pull_at = self._now() + _RETRY_SECONDS
        if self._connection.is_connected and self._now() >= self._pull_at:
            await self._pulls.top_up()

    def _tick(self) -> float:
        """Return the seconds to wait before looking again, when nothing comes."""
        is_settled = (
            self._connection.is_connected
            and not self.is_waiting_for_reader
            and self._now() >= self._pull_at
        )
        return self._heartbeat_seconds if is_settled else _RETRY_SECONDS

    def _take(self, deliveries: Sequence[DeliveredMessage]) -> None:
        for delivered in deliveries:
            self._take_one(delivered)

    def _take_one(self, delivered: DeliveredMessage) -> None:
        """Accept the next message; drop what a fresh reader repeats."""
        ahead = delivered.position - self._position
        if ahead > 1:
            self._ask_for_reader("a delivery is missing")
            return
        if ahead == 1:
            self._accept(delivered)
        if ahead >= 0:
            self.is_waiting_for_reader = False

    def _accept(self, delivered: DeliveredMessage) -> None:
        self._position = delivered.position
        self._unread.append(delivered)

    def _notice(self) -> None:
        """Compare what the reader says it has delivered with what came; wake who waits."""
        reached, self._pulls.consumer_position = self._pulls.consumer_position, None
        if reached == self._position:
            self.is_waiting_for_reader = False
        elif reached is not None and reached > self._position:
            self._ask_for_reader("a delivery is missing")
        self._signal.give()

    def _ask_for_reader(self, reason: str, *, again: bool = False) -> None:
        if self.is_waiting_for_reader and not again:
            return
        self.is_waiting_for_reader = True
        self.reader_generation += 1
        _log.warning(
            "reader.replacement_requested", generation=self.reader_generation, reason=reason
        )
        self._asked(self.reader_generation)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
