"""Makes a model call and reads it to its end, whether or not the worker still listens.

A call that was sent is billed to the end of its answer, or as far as it came: only who reads on
knows how far that was. So the answer is read by a task of the gateway's own, and what the worker
gets are copies of its pieces; when the worker goes away the reading goes on. The account is
settled before the last piece is handed on, so that a worker's next call finds its budget free.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Final, NamedTuple

import httpx
from prometheus_client import Counter

from events.protocol.model_prices import billed_model
from infra.runtime.clock import Clock
from infra.runtime.telemetry import logger
from services.gateway.broker.model.ledger import CALL_SECONDS, Ledger, State
from services.gateway.broker.model.request import PricedCall
from services.gateway.broker.model.usage_parser import UsageParser
from services.gateway.problems import Refused

_PAUSES_SECONDS: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_calls = Counter("errand_gateway_model_calls", "Model calls, by how they were closed.", ["state"])
_log = logger(__name__)


class ResponseHead(NamedTuple):
    """The beginning of the provider's answer; without one, `unreachable` says why."""

    answer: httpx.Response | None
    unreachable: str = ""


class ResponsePipe:
    """From the pump to the worker. What nobody takes any more is dropped."""

    def __init__(self) -> None:
        self.head: asyncio.Future[ResponseHead] = asyncio.get_running_loop().create_future()
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()  # as long as one answer
        self._is_left = False

    def begin(self, head: ResponseHead) -> None:
        """Hand over the head, once; it is nobody's when the worker is gone already."""
        if not self.head.done():
            self.head.set_result(head)

    def put(self, piece: bytes | None) -> None:
        """Hand over a piece; None ends the answer."""
        if not self._is_left:
            self._pieces.put_nowait(piece)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield what comes, to its end."""
        try:
            while (piece := await self._pieces.get()) is not None:
                yield piece
        finally:
            self._is_left = True


class MeteredCall:
    """One call that was reserved under the id `call`: made, passed on, and closed in the ledger."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        ledger: Ledger,
        clock: Clock,
        *,
        call: str,
        priced: PricedCall,
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._clock = clock
        self._call = call
        self._priced = priced
        self._tally = UsageParser(is_stream=False)
        self._state: State = "presumed"
        self._request = ""
        self._is_closed = False

    async def run(
        self,
        request: httpx.Request,
        pipe: ResponsePipe,
        *,
        broken_off: Callable[[httpx.Response], bytes],
    ) -> None:
        """Make the call. `broken_off` says what a worker is told when the answer breaks off."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await self._make(request, pipe, broken_off)
        except (httpx.TransportError, TimeoutError) as error:
            _log.warning("the model's API does not answer", error=repr(error))
            if isinstance(error, _NOT_SENT):
                self._state = "released"
            await self._close()
            pipe.begin(ResponseHead(None, type(error).__name__))
        finally:
            pipe.put(None)
        await self._close_surely()

    async def _make(
        self,
        request: httpx.Request,
        pipe: ResponsePipe,
        broken_off: Callable[[httpx.Response], bytes],
    ) -> None:
        answer = await self._client.send(request, stream=True)
        try:
            self._request = answer.headers.get("request-id", "")
            kind = answer.headers.get("content-type", "")
            self._tally = UsageParser(is_stream=kind.startswith("text/event-stream"))
            if not answer.is_success:
                self._state = "released"
                await self._close()
            pipe.begin(ResponseHead(answer))
            try:
                async for piece in answer.aiter_raw():
                    await self._count(piece)
                    pipe.put(piece)
                self._tally.end()
            except httpx.TransportError as error:
                _log.warning("the model's answer broke off", error=repr(error))
                pipe.put(broken_off(answer))
            await self._settle_if_whole()
        finally:
            await answer.aclose()

    async def _count(self, piece: bytes) -> None:
        tally, had_begun = self._tally, self._tally.has_begun
        tally.feed(piece)
        await self._settle_if_whole()
        if tally.has_begun and not had_begun and not tally.is_whole:
            await self._begin()

    async def _begin(self) -> None:
        count = self._tally.count
        estimate = self._priced.estimate(count)
        try:
            await self._ledger.begin(self._call, estimate, count, request=self._request)
        except Refused:
            _log.warning("what a call is known to cost could not be written down", call=self._call)

    async def _settle_if_whole(self) -> None:
        if self._tally.is_whole and self._state != "settled":
            self._state = "settled"
            await self._close()

    async def _close(self) -> None:
        """Write down how the call ended, if the database answers."""
        if self._is_closed:
            return
        count, cost = self._tally.count, 0
        if self._state == "settled":
            cost = count.cost(billed_model(self._priced.model, self._tally.model))
        elif self._state == "presumed":
            begun = count if self._tally.has_begun else None
            cost = self._priced.estimate(begun).most_microusd
        try:
            await self._ledger.close(
                self._call, self._state, count, cost=cost, request=self._request, now=self._clock()
            )
        except Refused:
            _log.warning("a call could not be closed yet", call=self._call, state=self._state)
            return
        self._is_closed = True
        _calls.labels(self._state).inc()

    async def _close_surely(self) -> None:
        """Close the call unless it is, trying on while the database is away; then it is swept."""
        for pause_seconds in (*_PAUSES_SECONDS, 0.0):
            await self._close()
            if self._is_closed:
                return
            await asyncio.sleep(pause_seconds)
