"""Metered model call: read to its end, whether or not the worker still listens.

A call is billed to the end of its response, or as far as it came: only a reader that stays
knows how far that was. So the response is read by a task of its own, and what the worker
gets are copies of its pieces; when the worker goes away the reading goes on. The account is
settled before the last chunk is forwarded, so that a worker's next call finds its budget free.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Final, NamedTuple

import httpx
from prometheus_client import Counter

from events.protocol.model_prices import billed_model
from infra.runtime.clock import Clock
from infra.runtime.telemetry import logger
from services.gateway.broker.accounting.model_request import PricedCall
from services.gateway.broker.accounting.usage_parser import UsageParser
from services.gateway.broker.model.ledger import CALL_SECONDS, Ledger, State
from services.gateway.problems import Refused

_PAUSES_SECONDS: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_calls = Counter("errand_gateway_model_calls", "Model calls, by how they were closed.", ["state"])
_log = logger(__name__)


class ResponseHead(NamedTuple):
    """Status and headers of the provider's response; without one, `unreachable` says why."""

    answer: httpx.Response | None
    unreachable: str = ""


class ResponsePipe:
    """Channel from the metered call to the worker. What is not read any more is dropped."""

    def __init__(self) -> None:
        self.head: asyncio.Future[ResponseHead] = asyncio.get_running_loop().create_future()
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()  # as long as one answer
        self._is_left = False

    def begin(self, head: ResponseHead) -> None:
        """Set the head, once; it is dropped when the worker is gone."""
        if not self.head.done():
            self.head.set_result(head)

    def put(self, piece: bytes | None) -> None:
        """Add a chunk; None ends the response."""
        if not self._is_left:
            self._pieces.put_nowait(piece)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield chunks until the end."""
        try:
            while (piece := await self._pieces.get()) is not None:
                yield piece
        finally:
            self._is_left = True


class MeteredCall:
    """A call reserved under the id `call`: sent, forwarded, and closed in the ledger."""

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
        self._parser = UsageParser(is_stream=False)
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
        """Make the call. `broken_off` returns the last bytes for a response that breaks off."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await self._make(request, pipe, broken_off)
        except (httpx.TransportError, TimeoutError) as error:
            _log.warning("model.no_response", error=repr(error))
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
            self._parser = UsageParser(is_stream=kind.startswith("text/event-stream"))
            if not answer.is_success:
                self._state = "released"
                await self._close()
            pipe.begin(ResponseHead(answer))
            try:
                async for piece in answer.aiter_raw():
                    await self._count(piece)
                    pipe.put(piece)
                self._parser.end()
            except httpx.TransportError as error:
                _log.warning("model.response_broken_off", error=repr(error))
                pipe.put(broken_off(answer))
            await self._settle_if_whole()
        finally:
            await answer.aclose()

    async def _count(self, piece: bytes) -> None:
        parser, had_begun = self._parser, self._parser.has_begun
        parser.feed(piece)
        await self._settle_if_whole()
        if parser.has_begun and not had_begun and not parser.is_whole:
            await self._begin()

    async def _begin(self) -> None:
        count = self._parser.count
        estimate = self._priced.estimate(count)
        try:
            await self._ledger.begin(self._call, estimate, count, request=self._request)
        except Refused:
            _log.warning("model_call.not_recorded", call=self._call)

    async def _settle_if_whole(self) -> None:
        if self._parser.is_whole and self._state != "settled":
            self._state = "settled"
            await self._close()

    async def _close(self) -> None:
        """Record how the call ended, if the database is available."""
        if self._is_closed:
            return
        count, cost = self._parser.count, 0
        if self._state == "settled":
            cost = count.cost(billed_model(self._priced.model, self._parser.model))
        elif self._state == "presumed":
            begun = count if self._parser.has_begun else None
            cost = self._priced.estimate(begun).max_microusd
        try:
            await self._ledger.close(
                self._call, self._state, count, cost=cost, request=self._request, now=self._clock()
            )
        except Refused:
            _log.warning("model_call.not_closed", call=self._call, state=self._state)
            return
        self._is_closed = True
        _calls.labels(self._state).inc()

    async def _close_surely(self) -> None:
        """Close the call, retrying while the database is away; otherwise the sweep closes it."""
        for pause_seconds in (*_PAUSES_SECONDS, 0.0):
            await self._close()
            if self._is_closed:
                return
            await asyncio.sleep(pause_seconds)
