"""Sender of due pushes: claim, check against the log, record the attempt, send, record its end.

Killed between the push service's answer and the record of it, a push is sent once more when its
lease is over: at most one duplicate, of the same id and collapse key, so the device shows one.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Final
from urllib.parse import quote
from uuid import UUID

from prometheus_client import Counter, Histogram

from events import History
from infra.log.event_log import Unavailable
from infra.runtime.clock import Clock
from infra.runtime.telemetry import logger
from services.gateway.problems import Refused
from services.gateway.push.attention import Attention
from services.gateway.push.notification.address import adds_a_card, read
from services.gateway.push.notification.message import Message, headline
from services.gateway.push.notification.policy import (
    DuePush,
    State,
    reason_to_skip,
    state_after_attempt,
)
from services.gateway.push.notification.state import EMPTY_STATE, Ask, NotificationState
from services.gateway.push.providers.all import PushProviders
from services.gateway.push.queue import PushQueue
from services.gateway.queries.fold_cache import FoldCache

MAX_CONCURRENT: Final = 32
_LOOK_SECONDS: Final = 1.0
_SWEEP_EVERY: Final = timedelta(hours=1)
_TEST_TEXT: Final = "Errand can reach you here."

_pushes = Counter("errand_gateway_pushes", "Pushes, by what became of them.", ["kind", "state"])
_seconds = Histogram("errand_gateway_push_seconds", "One try at a push service.", ["kind"])
_log = logger(__name__)


class PushSender:
    """Delivers pushes. `chance` returns numbers uniform in [0, 1)."""

    def __init__(
        self,
        pushes: PushQueue,
        *,
        states: FoldCache[NotificationState],
        providers: PushProviders,
        attention: Attention,
        public_url: str,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        self._pushes = pushes
        self._states = states
        self._providers = providers
        self._attention = attention
        self._public_url = public_url.rstrip("/")
        self._clock = clock
        self._chance = chance

    async def run(self, stopping: asyncio.Event) -> None:
        """Send due pushes, up to MAX_CONCURRENT at a time, until stopped; then finish those."""
        sending: set[asyncio.Task[None]] = set()
        swept_at = self._clock() - _SWEEP_EVERY
        async with asyncio.TaskGroup() as group:
            while not stopping.is_set():
                sending = {task for task in sending if not task.done()}
                try:
                    if self._clock() - swept_at >= _SWEEP_EVERY:
                        await self._pushes.sweep()
                        swept_at = self._clock()
                    claimed = await self._pushes.claim(MAX_CONCURRENT - len(sending))
                except Refused as away:
                    _log.warning("push.claim_failed", reason=away.problem.detail)
                    claimed = ()
                sending |= {group.create_task(self.deliver(due)) for due in claimed}
                if len(sending) >= MAX_CONCURRENT:
                    await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
                elif not claimed:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_LOOK_SECONDS):
                            await stopping.wait()

    async def send_now(self, push: UUID) -> None:
        """Send one push now, unless it is claimed already. Raises Refused (503)."""
        for due in await self._pushes.claim(1, only=push):
            await self.deliver(due)

    async def deliver(self, due: DuePush) -> None:
        """Deliver a claimed push. One that could not be checked is left to the next claim."""
        try:
            state = await self._state_of(due)
            why = await self._reason_to_skip(due, state)
            if why is not None:
                await self._pushes.leave_unsent(due, why)
                _pushes.labels(due.kind, why).inc()
            elif await self._pushes.begin(due):
                await self._try(due, state)
        except (Refused, Unavailable) as away:
            _log.warning("push.postponed", push=due.push, reason=str(away))

    async def _reason_to_skip(self, due: DuePush, state: NotificationState) -> State | None:
        why = reason_to_skip(due, state, self._clock())
        if why is not None or due.task is None or due.tries:
            return why
        version = due.version
        if due.push_class == "withdrawn":
            if not adds_a_card(read(due.address or b"")):
                return None
            version = 0  # who shows the task at all sees there that it is settled
        is_looking = await self._attention.is_looking(due.person, due.task, version)
        return "seen" if is_looking else None

    async def _state_of(self, due: DuePush) -> NotificationState:
        if due.task is None:
            return EMPTY_STATE
        return (await self._states.get(History(due.account, due.task))).state

    async def _try(self, due: DuePush, state: NotificationState) -> None:
        message = await self._message(due, state)
        begun_at = self._clock()
        outcome = await self._providers.send(read(due.address or b""), message)
        now = self._clock()
        then = state_after_attempt(outcome, message, due.tries + 1, now=now, chance=self._chance())
        seconds = (now - begun_at).total_seconds()
        await self._pushes.end(due, then, outcome, seconds)
        _pushes.labels(due.kind, then.state).inc()
        _seconds.labels(due.kind).observe(seconds)
        _log.info(
            "push.attempted",
            push=due.push,
            device=due.device,
            kind=due.kind,
            task=due.task,
            status=outcome.status,
            state=then.state,
        )

    async def _message(self, due: DuePush, state: NotificationState) -> Message:
        ask = state.shown_ask
        return Message(
            push=due.push,
            push_class=due.push_class,
            collapse=due.task or "test",
            headline=headline(due.about, due.push_class, state.notice.verdict),
            text=due.title or _TEST_TEXT,
            url=f"{self._public_url}{_path(due, ask)}",
            expires_at=due.expires_at,
            task=due.task,
            version=due.version,
            kind=ask.kind if ask else "",
            request=ask.request if ask else "",
            badge=await self._badge(due, state),
        )

    async def _badge(self, due: DuePush, state: NotificationState) -> int | None:
        if due.task is None:
            return None
        others = await self._pushes.count_waiting(due.account, due.task)
        return None if others is None else others + bool(state.open_asks)


def _path(due: DuePush, ask: Ask | None) -> str:
    """Return the path that a notification opens: of what is asked, where it still is."""
    if due.task is None:
        return "/"
    if due.push_class != "needs_input" or ask is None:
        return f"/t/{due.task}"
    return f"/t/{due.task}?ask={quote(ask.request or ask.kind, safe='')}"
