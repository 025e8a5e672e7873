"""The floor of `fanout`: uvicorn, as the gateway runs it, telling one text to everybody.

`python -m tests.bench.kit.raw_broadcast PORT`. Each phone that connects is welcomed; after a line
on standard input says how many, so many events are sent to all, each a frame of its own.
"""

import asyncio
import sys
import time
from typing import Any

from services.gateway.http.serving.connection_limits import ConnectionLimits
from services.gateway.http.serving.server import bound, make_server, serve
from tests.bench.kit.delivery_path import stamp

_WELCOME = '[{"t":"welcome"}]'


class Broadcast:
    """A raw ASGI application: everybody hears everything."""

    def __init__(self) -> None:
        self.sends: set[Any] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept", "subprotocol": "errand.v1+json"})
        await send({"type": "websocket.send", "text": _WELCOME})
        self.sends.add(send)
        try:
            while (await receive())["type"] != "websocket.disconnect":
                pass
        finally:
            self.sends.discard(send)

    async def tell(self, count: int) -> None:
        """Send so many events to everybody, one after the other."""
        for version in range(1, count + 1):
            text = f'[{{"version":{version},"type":"task.instructed","text":"{stamp(0)}"}}]'
            message = {"type": "websocket.send", "text": text}
            for send in list(self.sends):
                await send(message)


async def main() -> None:
    broadcast, stopping = Broadcast(), asyncio.Event()
    server = make_server(broadcast, grace_seconds=1, limits=ConnectionLimits())
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(server, bound("127.0.0.1", int(sys.argv[1])), stopping))
        while line := await reader.readline():
            before = time.process_time()
            await broadcast.tell(int(line))
            sys.stdout.write(f"{time.process_time() - before}\n")
            sys.stdout.flush()
        stopping.set()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
