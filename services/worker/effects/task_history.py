"""A task's history and its fold, kept up to date: what was read, what comes, what is appended.

Replies too long for an event stand in the object store; here they are always whole.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

import msgspec
from msgspec.structs import replace

from events import ArtifactStored, Block, Draft, Head, History, ModelReplied, Recorded, WorkerEvent
from events.codec import Unwritable
from events.limits import is_too_deep
from infra.log.event_log import Conflict, Unavailable
from infra.runtime.clock import DraftFactory
from infra.runtime.telemetry import logger
from services.worker.agent.failures.outage import Unreachable
from services.worker.agent.failures.unreadable_history import evolve, spoilt
from services.worker.agent.next_step import settle, settle_merged, stop
from services.worker.agent.state import Attempt, Stopping, Turn
from services.worker.agent.steps import Step
from services.worker.agent.text.event_limits import fit
from services.worker.agent.text.redaction import Redactor
from services.worker.ports import AttemptLog, Blobs

LONGEST_BLOCKS_BYTES: Final = 48 * 1024
_PAUSE_SECONDS: Final = 0.5

_log = logger(__name__)
_blocks = msgspec.json.Decoder(tuple[Block, ...])


class Logbook:
    """One task's history as one attempt keeps it. `changes` counts what `turn` has gone through."""

    def __init__(
        self,
        log: AttemptLog,
        attempt: Attempt,
        blobs: Blobs,
        draft_factory: DraftFactory,
        *,
        redactor: Redactor | None = None,
    ) -> None:
        self._redactor = redactor or Redactor()
        self._log = log
        self._blobs = blobs
        self._draft_factory = draft_factory
        self._by = f"worker:{attempt.number}"
        self._stirred = asyncio.Event()
        self._pen = asyncio.Lock()
        self.changes = 0
        self.turn = Turn(attempt=attempt)
        self.history: list[Recorded] = []

    async def read(self) -> None:
        """Read and fold what the history holds."""
        while True:
            try:
                return await self._take(await self._log.catch_up())
            except Unavailable as reason:
                _log.warning("the history cannot be read yet", reason=str(reason))
                await asyncio.sleep(_PAUSE_SECONDS)

    async def follow(self, until: asyncio.Event) -> None:
        """Fold what comes until set. Raises Unavailable when the log is lost for good."""
        async for batch in self._log.follow(until):
            await self._take(batch)

    async def append(self, facts: Sequence[WorkerEvent]) -> None:
        """Append facts to the history as it is folded here, and fold them.

        Waits for a log that does not answer. Raises Conflict, after folding what stood in the way,
        be it from somebody else or from a step beside this one.
        """
        after = self.turn.head
        redacted = [self._redactor.fact(fact) for fact in facts]
        facts = [each for fact in redacted for each in await self._fitting(fact)]
        stored = [await self._stow(fact) for fact in facts]
        try:
            async with self._pen:
                await self._write(stored, facts, after)
        except Unwritable as error:
            _log.error("event.unwritable", reason=str(error))
            self.spoil(f"what it should say next is no event: {error}")

    async def _write(
        self, stored: Sequence[WorkerEvent], facts: Sequence[WorkerEvent], after: Head
    ) -> None:
        if self.turn.head != after:
            raise Conflict(f"the history of {self.turn.task} has grown beyond {after.version}")
        changes = self.changes
        drafts = self._draft_factory.drafts(stored, by=self._by, cause=self.turn.last)
        try:
            head = await self._store(drafts, after)
        except Conflict:
            if self.turn.head == after:
                await self.changed(changes)
            raise
        history = History(self.history[0].account, self.turn.task)
        for place, (draft, fact) in enumerate(zip(drafts, facts, strict=True), after.version + 1):
            sequence = head.sequence - (head.version - place)
            self._fold(_recorded(history, draft, fact, Head(place, sequence)))

    async def changed(self, since: int, until: datetime | None = None) -> None:
        """Return when `turn` has changed since the count `since`, or at a time."""
        seconds = None if until is None else (until - self._draft_factory.now()).total_seconds()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.changes == since:
                    await self._stirred.wait()

    def spoil(self, reason: str) -> None:
        """Take note that this history cannot be acted on any further."""
        _log.error("task.quarantined", reason=reason, version=self.turn.head.version)
        self._become(spoilt(self.turn, reason))

    def settle(self, step: Step) -> None:
        """Take note that a step left nothing to record."""
        self._become(settle(self.turn, step))

    def settle_merged(self) -> None:
        """Take note that the base branch holds the pushed work already."""
        self._become(settle_merged(self.turn))

    def stop(self, reason: Stopping, detail: str = "") -> None:
        """Take note that this process has to end soon."""
        self._become(stop(self.turn, reason, detail))

    async def _store(self, drafts: Sequence[Draft[WorkerEvent]], after: Head) -> Head:
        while True:
            try:
                return await self._log.append(drafts, after=after)
            except Unavailable as reason:
                _log.warning("the log does not answer", reason=str(reason))
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _take(self, batch: Sequence[Recorded]) -> None:
        for recorded in batch:
            if recorded.version > self.turn.head.version:
                self._fold(await self._whole(recorded))

    def _fold(self, recorded: Recorded) -> None:
        version = self.turn.head.version
        if recorded.version <= version:
            return
        if recorded.version != version + 1:
            raise ValueError(f"version {recorded.version} came after {version}")
        self.history.append(recorded)
        was_readable = not self.turn.unreadable
        self._become(evolve(self.turn, recorded))
        if was_readable and self.turn.unreadable:
            _log.error("task.quarantined", reason=self.turn.unreadable, version=recorded.version)

    def _become(self, turn: Turn) -> None:
        self.turn = turn
        self.changes += 1
        self._stirred.set()
        self._stirred = asyncio.Event()

    async def _fitting(self, fact: WorkerEvent) -> Sequence[WorkerEvent]:
        """Cut what is too long for an event; keep as an artifact what must not be lost."""
        fitting, whole = fit(fact)
        if whole is None:
            return [fitting]
        name = f"artifacts/{self.turn.number:04d}-{self.turn.head.version}-{whole.name}"
        blob = await self._blobs.put(name, whole.text.encode(errors="replace"))
        return [ArtifactStored(name=whole.name, media_type="text/markdown", blob=blob), fitting]

    async def _stow(self, fact: WorkerEvent) -> WorkerEvent:
        """Put blocks that are too long for an event into the object store."""
        if not isinstance(fact, ModelReplied):
            return fact
        content = msgspec.json.encode(fact.blocks)
        if len(content) <= LONGEST_BLOCKS_BYTES:
            return fact
        name = f"replies/{self.turn.attempt.number}-{fact.turn:04d}.json"
        return replace(fact, blocks=(), blob=await self._blobs.put(name, content))

    async def _whole(self, recorded: Recorded) -> Recorded:
        """Fetch blocks back that stand in the object store.

        Where they cannot be had for now the attempt leaves: what is folded from here on is of no
        use to it, and another one fetches them again.
        """
        event = recorded.event
        if not isinstance(event, ModelReplied) or event.blob is None:
            return recorded
        try:
            content = await self._blobs.get(event.blob.key)
            blocks = _blocks_in(content)
        except (ValueError, LookupError) as error:
            self.spoil(f"the reply of turn {event.turn} cannot be read from its blob: {error}")
            return recorded
        except Unreachable as away:
            _log.error("attempt.leaving", reason=away.reason, detail=away.detail)
            self.stop(away.reason, away.detail)
            return recorded
        return replace(recorded, event=replace(event, blocks=blocks))


def _blocks_in(content: bytes) -> tuple[Block, ...]:
    """Read the blocks of a reply. Raises ValueError on what is none, or is nested too deep."""
    if is_too_deep(content):
        raise ValueError("it is nested too deep")
    return _blocks.decode(content)


def _recorded(
    history: History, draft: Draft[WorkerEvent], fact: WorkerEvent, head: Head
) -> Recorded:
    return Recorded(
        account=history.account,
        task=history.task,
        id=draft.id,
        version=head.version,
        sequence=head.sequence,
        at=draft.at,
        by=draft.by,
        cause=draft.cause,
        event=fact,
    )
