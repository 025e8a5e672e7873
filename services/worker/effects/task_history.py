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
from services.worker.agent.failures.unreadable_history import evolve, mark_unreadable
from services.worker.agent.next_step import mark_done, mark_merged, request_stop
from services.worker.agent.state import AgentState, Attempt, StopReason
from services.worker.agent.steps import Step
from services.worker.agent.text.event_limits import fit
from services.worker.agent.text.redaction import Redactor
from services.worker.ports import AttemptLog, Blobs

MAX_BLOCKS_BYTES: Final = 48 * 1024
_PAUSE_SECONDS: Final = 0.5

_log = logger(__name__)
_blocks = msgspec.json.Decoder(tuple[Block, ...])


class TaskHistory:
    """One task's history as one attempt keeps it. `changes` counts the changes of `state`."""

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
        self._changed = asyncio.Event()
        self._append_lock = asyncio.Lock()
        self.changes = 0
        self.state = AgentState(attempt=attempt)
        self.events: list[Recorded] = []

    @property
    def head(self) -> Head:
        """The end of the history, as far as it is folded."""
        return self.state.position.head

    async def read_events(self) -> None:
        """Read and fold what the history holds."""
        while True:
            try:
                return await self._add_batch(await self._log.catch_up())
            except Unavailable as reason:
                _log.warning("history.unavailable", reason=str(reason))
                await asyncio.sleep(_PAUSE_SECONDS)

    async def follow(self, until: asyncio.Event) -> None:
        """Fold what comes until set. Raises Unavailable when the log is lost for good."""
        async for batch in self._log.follow(until):
            await self._add_batch(batch)

    async def append(self, facts: Sequence[WorkerEvent]) -> None:
        """Append facts to the history as it is folded here, and fold them.

        Waits for a log that does not answer. Raises Conflict, after folding what stood in the way,
        be it from somebody else or from a step beside this one.
        """
        after = self.head
        redacted = [self._redactor.fact(fact) for fact in facts]
        facts = [each for fact in redacted for each in await self._fit(fact)]
        stored = [await self._store_blocks(fact) for fact in facts]
        try:
            async with self._append_lock:
                await self._write(stored, facts, after)
        except Unwritable as error:
            _log.error("event.unwritable", reason=str(error))
            self.mark_unreadable(f"what it should say next is no event: {error}")

    async def _write(
        self, stored: Sequence[WorkerEvent], facts: Sequence[WorkerEvent], after: Head
    ) -> None:
        if self.head != after:
            task = self.state.position.task
            raise Conflict(f"the history of {task} has grown beyond {after.version}")
        changes = self.changes
        drafts = self._draft_factory.drafts(stored, by=self._by, cause=self.state.position.event)
        try:
            head = await self._append_to_log(drafts, after)
        except Conflict:
            if self.head == after:
                await self.wait_for_change(changes)
            raise
        history = History(self.events[0].account, self.state.position.task)
        for place, (draft, fact) in enumerate(zip(drafts, facts, strict=True), after.version + 1):
            sequence = head.sequence - (head.version - place)
            self._fold(_recorded(history, draft, fact, Head(place, sequence)))

    async def wait_for_change(self, since: int, until: datetime | None = None) -> None:
        """Return when `state` has changed since the count `since`, or at a time."""
        seconds = None if until is None else (until - self._draft_factory.now()).total_seconds()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.changes == since:
                    await self._changed.wait()

    def mark_unreadable(self, reason: str) -> None:
        """Take note that this history cannot be acted on any further."""
        _log.error("task.quarantined", reason=reason, version=self.head.version)
        self._set_state(mark_unreadable(self.state, reason))

    def mark_done(self, step: Step) -> None:
        """Take note that a step left nothing to record."""
        self._set_state(mark_done(self.state, step))

    def mark_merged(self) -> None:
        """Take note that the base branch holds the pushed work already."""
        self._set_state(mark_merged(self.state))

    def request_stop(self, reason: StopReason, detail: str = "") -> None:
        """Take note that this process has to end soon."""
        self._set_state(request_stop(self.state, reason, detail))

    async def _append_to_log(self, drafts: Sequence[Draft[WorkerEvent]], after: Head) -> Head:
        while True:
            try:
                return await self._log.append(drafts, after=after)
            except Unavailable as reason:
                _log.warning("log.unavailable", reason=str(reason))
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _add_batch(self, batch: Sequence[Recorded]) -> None:
        for recorded in batch:
            if recorded.version > self.head.version:
                self._fold(await self._load_blocks(recorded))

    def _fold(self, recorded: Recorded) -> None:
        version = self.head.version
        if recorded.version <= version:
            return
        if recorded.version != version + 1:
            raise ValueError(f"version {recorded.version} came after {version}")
        self.events.append(recorded)
        was_readable = not self.state.process.unreadable
        self._set_state(evolve(self.state, recorded))
        reason = self.state.process.unreadable
        if was_readable and reason:
            _log.error("task.quarantined", reason=reason, version=recorded.version)

    def _set_state(self, state: AgentState) -> None:
        self.state = state
        self.changes += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def _fit(self, fact: WorkerEvent) -> Sequence[WorkerEvent]:
        """Cut what is too long for an event; keep as an artifact what must not be lost."""
        fitting, whole = fit(fact)
        if whole is None:
            return [fitting]
        turn = self.state.model.turn
        name = f"artifacts/{turn:04d}-{self.head.version}-{whole.name}"
        blob = await self._blobs.put(name, whole.text.encode(errors="replace"))
        return [ArtifactStored(name=whole.name, media_type="text/markdown", blob=blob), fitting]

    async def _store_blocks(self, fact: WorkerEvent) -> WorkerEvent:
        """Put blocks that are too long for an event into the object store."""
        if not isinstance(fact, ModelReplied):
            return fact
        content = msgspec.json.encode(fact.blocks)
        if len(content) <= MAX_BLOCKS_BYTES:
            return fact
        name = f"replies/{self.state.attempt.number}-{fact.turn:04d}.json"
        return replace(fact, blocks=(), blob=await self._blobs.put(name, content))

    async def _load_blocks(self, recorded: Recorded) -> Recorded:
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
            self.mark_unreadable(
                f"the reply of turn {event.turn} cannot be read from its blob: {error}"
            )
            return recorded
        except Unreachable as away:
            _log.error("attempt.leaving", reason=away.reason, detail=away.detail)
            self.request_stop(away.reason, away.detail)
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
