"""A reply as server-sent events, cut as awkwardly as a real one may be.

Source: Anthropic's documentation of streaming. Deltas are a few characters each; the JSON of a
tool's input is cut anywhere, within names, numbers and escapes.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import msgspec

from infra.simulators.anthropic.api.reply import Reply, envelope, input_usage
from infra.simulators.anthropic.billing.tokens import count_text

_TEXT_CHARS = (9, 24, 14, 31, 18)
_JSON_CHARS = (1, 23, 7, 40, 3, 17)

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class Event:
    """One event; `delta` is the text it delivers, for pacing and for counting what was sent."""

    name: str
    body: JsonObject
    delta: str = ""

    def encode(self) -> bytes:
        """Encode the event for the wire: an event line, a data line, an empty line."""
        return f"event: {self.name}\ndata: ".encode() + msgspec.json.encode(self.body) + b"\n\n"


def error_event(kind: str, message: str) -> Event:
    """Return the event that breaks off a reply in mid-stream."""
    return Event("error", {"type": "error", "error": {"type": kind, "message": message}})


def events_of(reply: Reply) -> Iterator[Event]:
    """Cut a reply into its events, message_start to message_stop."""
    start = {
        **envelope(reply),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**input_usage(reply.prompt), "output_tokens": min(1, reply.output_tokens)},
    }
    yield _event("message_start", message=start)
    for index, block in enumerate(reply.content):
        yield _event("content_block_start", index=index, content_block=_opening(block))
        if index == 0:
            yield _event("ping")
        for delta, text in _deltas(block):
            body = {"type": "content_block_delta", "index": index, "delta": delta}
            yield Event("content_block_delta", body, text)
        yield _event("content_block_stop", index=index)
    stop = {
        "stop_reason": reply.stop_reason,
        "stop_sequence": reply.stop_sequence,
        "stop_details": None,
        "container": None,
    }
    yield _event("message_delta", delta=stop, usage=reply.usage(), **reply.extra)
    yield _event("message_stop")


def delivered_tokens(events: list[Event]) -> int:
    """Count what a broken stream has delivered, in output tokens."""
    return count_text("".join(event.delta for event in events))


def _event(name: str, **fields: object) -> Event:
    return Event(name, {"type": name, **fields})


def _opening(block: JsonObject) -> JsonObject:
    empty: JsonObject = {"text": "", "thinking": "", "signature": "", "input": {}}
    return {key: empty.get(key, value) for key, value in block.items()}


def _deltas(block: JsonObject) -> Iterator[tuple[JsonObject, str]]:
    if block["type"] == "text":
        for part in _cut(block["text"], _TEXT_CHARS):
            yield {"type": "text_delta", "text": part}, part
    elif block["type"] == "thinking":
        for part in _cut(block["thinking"], _TEXT_CHARS):
            yield {"type": "thinking_delta", "thinking": part}, part
        if "signature" in block:
            yield {"type": "signature_delta", "signature": block["signature"]}, ""
    else:
        yield {"type": "input_json_delta", "partial_json": ""}, ""
        for part in _cut(json.dumps(block["input"]), _JSON_CHARS):
            yield {"type": "input_json_delta", "partial_json": part}, part


def _cut(text: str, sizes: tuple[int, ...]) -> Iterator[str]:
    place = 0
    for size in cycle(sizes):
        if place >= len(text):
            return
        yield text[place : place + size]
        place += size
