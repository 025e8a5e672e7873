"""Text that JSON can spell and UTF-8 cannot: halves of surrogate pairs in a model's reply."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from services.worker.effects.live_output import LiveOutput
from services.worker.effects.model import client as model
from services.worker.ports import ModelRequest

EVENTS = [
    {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": "half \ud83d, whole \U0001f600"},
    },
    {"type": "content_block_stop", "index": 0},
    {
        "type": "content_block_start",
        "index": 1,
        "content_block": {"type": "tool_use", "id": "c", "name": "bash", "input": {}},
    },
    {
        "type": "content_block_delta",
        "index": 1,
        "delta": {"type": "input_json_delta", "partial_json": '{"command": "echo \\udc00é"}'},
    },
    {"type": "content_block_stop", "index": 1},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"output_tokens": 2},
    },
    {"type": "message_stop"},
]


@asynccontextmanager
async def replying(events: list[dict]) -> AsyncIterator[str]:
    """A server that answers every request with one stream of events; yields its address."""
    body = "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events).encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_half_a_surrogate_pair_is_replaced_wherever_it_stands():
    asked = ModelRequest(
        model="m",
        effort="",
        system=[],
        messages=[{"role": "user", "content": "x"}],
        tools=[],
        user="",
    )
    said: list[bytes] = []

    async def say(item: bytes) -> None:
        said.append(item)

    live = LiveOutput("task_1", say)
    async with replying(EVENTS) as url, model.connect(url, "token") as client:
        answer = await client.ask(asked, live.reply(1))
    await live.flush()

    assert answer.blocks[0]["text"] == "half \ufffd, whole \U0001f600"
    assert answer.blocks[1]["input"] == {"command": "echo \ufffdé"}
    assert msgspec.json.decode(msgspec.json.encode(answer.blocks)) == list(answer.blocks)
    assert "half \ufffd".encode() in said[0]
