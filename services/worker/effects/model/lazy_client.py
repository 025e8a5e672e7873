"""The model, while its SDK is being loaded.

That takes a second of one core, about as long as everything else before the first model_request, so
it is done beside it: while the worker claims, clones and starts the sandbox.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from services.worker.ports import Model, ModelReply, ModelRequest, OnDelta

Connect = Callable[[str], AbstractAsyncContextManager[Model]]


class LazyModel:
    """Satisfies services.worker.ports.Model; what is asked before it is there waits for it."""

    def __init__(self) -> None:
        self._token: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._loaded = asyncio.Event()
        self._model: Model | None = None

    def set_token(self, token: str) -> None:
        """Set the token with which the model is reached. Call once."""
        self._token.set_result(token)

    async def serve(self, load: Callable[[], Connect]) -> None:
        """Load in a thread, connect once there is a token, and stay so until cancelled."""
        connect = await asyncio.to_thread(load)
        async with connect(await self._token) as self._model:
            self._loaded.set()
            await asyncio.Event().wait()

    async def ready(self) -> None:
        """Return when it can be asked."""
        await self._loaded.wait()

    async def ask(self, model_request: ModelRequest, on_delta: OnDelta) -> ModelReply:
        """Ask once; see `services.worker.ports.Model`."""
        while self._model is None:
            await self._loaded.wait()
        return await self._model.ask(model_request, on_delta)
