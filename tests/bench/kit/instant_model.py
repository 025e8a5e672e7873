"""A server of the Messages API that answers at once: each request gets the next call of a list.

The number of tool results in a request says how many calls were made. Bodies are searched and not
parsed, so that an answer takes a fraction of a millisecond however long the conversation is.
"""

import asyncio
import itertools
import json
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

Call = tuple[str, dict[str, Any]]

_RESULT = b'"tool_result"'
_TOOLS = b'"input_schema"'
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_STREAMED = re.compile(rb'"stream" *: *true')
_USAGE = {"input_tokens": 1000, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}


class InstantModel:
    """A running server: its address, and when each number of results was first told to it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.told_at: dict[int, float] = {}

    def seconds_per_call(self, calls: int) -> float | None:
        """Return the mean of so many calls, from the first request to that with all results."""
        told = self.told_at
        return (told[calls] - told[0]) / calls if told.keys() >= {0, calls} else None


@asynccontextmanager
async def instant_model(calls: Sequence[Call]) -> AsyncIterator[InstantModel]:
    """Serve until the block is left. `calls` are tools and their input; after them it is done."""
    numbers = itertools.count(1)
    answers = [*(_Answer(call, numbers) for call in calls), _Answer(None, numbers)]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                body = await reader.readexactly(int(length[1]) if length else 0)
                made = min(body.count(_RESULT), len(answers) - 1)
                if _TOOLS in body:
                    model.told_at.setdefault(made, time.perf_counter())
                    answer = answers[made]
                else:  # a question beside the work, as for a title
                    answer = answers[-1]
                writer.write(_response(head, body, answer))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", limit=2**20)
    model = InstantModel(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with server:
        yield model


class _Answer:
    """A reply that makes one tool call, or says that all is done where there is none."""

    def __init__(self, call: Call | None, numbers: "itertools.count[int]") -> None:
        self._call = call
        self._numbers = numbers

    def message(self) -> dict[str, Any]:
        """The reply, whole."""
        number = next(self._numbers)
        block: dict[str, Any] = {"type": "text", "text": "Done."}
        if self._call is not None:
            tool, given = self._call
            identity = f"toolu_{number:08d}"
            block = {"type": "tool_use", "id": identity, "name": tool, "input": given}
        return {
            "id": f"msg_{number:08d}",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-5-5",
            "content": [block],
            "stop_reason": "tool_use" if self._call else "end_turn",
            "stop_sequence": None,
            "usage": {**_USAGE, "output_tokens": 50},
        }

    def stream(self) -> bytes:
        """The same as server-sent events."""
        message = self.message()
        [block] = message["content"]
        opening = {**message, "content": [], "stop_reason": None}
        if self._call is not None:
            begun = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        else:
            begun = {**block, "text": ""}
            delta = {"type": "text_delta", "text": block["text"]}
        stop = {"stop_reason": message["stop_reason"], "stop_sequence": None}
        return b"".join(
            (
                _event("message_start", message=opening),
                _event("content_block_start", index=0, content_block=begun),
                _event("content_block_delta", index=0, delta=delta),
                _event("content_block_stop", index=0),
                _event("message_delta", delta=stop, usage=message["usage"]),
                _event("message_stop"),
            )
        )


def _event(name: str, **fields: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n".encode()


def _response(head: bytes, body: bytes, answer: _Answer) -> bytes:
    kind = "application/json"
    if b"/count_tokens" in head[: head.index(b"\r\n")]:
        content = b'{"input_tokens": 1000}'
    elif _STREAMED.search(body):
        kind, content = "text/event-stream", answer.stream()
    else:
        content = json.dumps(answer.message()).encode()
    lines = (
        "HTTP/1.1 200 OK",
        f"Content-Type: {kind}",
        f"Content-Length: {len(content)}",
        "Request-Id: req_1",
    )
    return "\r\n".join((*lines, "", "")).encode() + content
