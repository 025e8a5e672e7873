"""The model, while its SDK is being loaded.

That takes a second of one core, about as long as everything else before the first question, so it
is done beside it: while the worker claims, clones and starts the sandbox.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from services.worker.ports import Answer, Model, OnDelta, Question

Connect = Callable[[str], AbstractAsyncContextManager[Model]]


class LateModel:
    """Satisfies services.worker.ports.Model; what is asked before it is there waits for it."""

    def __init__(self) -> None:
        self._token: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._arrived = asyncio.Event()
        self._model: Model | None = None

    def admit(self, token: str) -> None:
        """Say with which token the model is reached. Call once."""
        self._token.set_result(token)

    async def serve(self, load: Callable[[], Connect]) -> None:
        """Load in a thread, connect once there is a token, and stay so until cancelled."""
        connect = await asyncio.to_thread(load)
        async with connect(await self._token) as self._model:
            self._arrived.set()
            await asyncio.Event().wait()

    async def ready(self) -> None:
        """Return when it can be asked."""
        await self._arrived.wait()

    async def answer(self, question: Question, on_delta: OnDelta) -> Answer:
        """Ask once; see `services.worker.ports.Model`."""
        while self._model is None:
            await self._arrived.wait()
        return await self._model.answer(question, on_delta)
