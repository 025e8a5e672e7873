"""Token counts of the rehearsal model, the same for every caller and every run.

The estimate: one token for every four bytes of UTF-8, rounded up, of a block's text; a block that
is not text counts as its canonical JSON (sorted keys, no spaces, cache marks left out). A picture
counts 1,600, whatever its bytes. Every message adds 4. It is no tokenizer: its sums can be compared
with each other, and lie near the real ones for English and code.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

IMAGE_TOKENS = 1600
MESSAGE_TOKENS = 4
_BYTES_PER_TOKEN = 4

_encoder = msgspec.json.Encoder(order="sorted")


@dataclass(frozen=True)
class Piece:
    """One cacheable piece of a prompt, in cache order: tools, system, messages.

    `content` is its canonical form; `lifetime` is "5m" or "1h" where the caller set a mark.
    """

    content: bytes
    tokens: int
    lifetime: str | None = None


def canonical(value: object) -> bytes:
    """Encode a JSON value in one way, without cache marks."""
    return _encoder.encode(_unmarked(value))


def count_text(text: str) -> int:
    """Count the tokens of a text; an empty one has none."""
    return -(-len(text.encode()) // _BYTES_PER_TOKEN)


def count_json(value: object) -> int:
    """Count the tokens of a JSON value in its canonical form."""
    return -(-len(canonical(value)) // _BYTES_PER_TOKEN)


def pieces(raw: dict[str, Any]) -> list[Piece]:
    """Cut a checked request body into its pieces; a top-level cache mark falls on the last one."""
    found = [*_tools(raw), *_blocks("system", raw.get("system") or [])]
    for message in raw["messages"]:
        found += _blocks(message["role"], message["content"])
    mark = raw.get("cache_control")
    if mark and found and found[-1].lifetime is None:
        found[-1] = Piece(found[-1].content, found[-1].tokens, mark.get("ttl") or "5m")
    return found


def blocks_of(content: object) -> list[dict[str, Any]]:
    """Return message content as a list of blocks: a bare string is one text block."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return content if isinstance(content, list) else []


def _tools(raw: dict[str, Any]) -> Iterator[Piece]:
    for tool in raw.get("tools") or []:
        yield Piece(b"tool" + canonical(tool), count_json(tool), _lifetime(tool))


def _blocks(role: str, content: object) -> Iterator[Piece]:
    extra = 0 if role == "system" else MESSAGE_TOKENS
    for block in blocks_of(content):
        yield Piece(role.encode() + canonical(block), extra + _count(block), _lifetime(block))
        extra = 0


def _count(block: dict[str, Any]) -> int:
    if block.get("type") == "text":
        return count_text(block["text"])
    if block.get("type") == "image":
        return IMAGE_TOKENS
    if block.get("type") == "tool_result":
        return count_text(block["tool_use_id"]) + sum(
            _count(inner) for inner in blocks_of(block.get("content"))
        )
    return count_json(block)


def _lifetime(block: dict[str, Any]) -> str | None:
    mark = block.get("cache_control")
    return (mark.get("ttl") or "5m") if mark else None


def _unmarked(value: object) -> object:
    if isinstance(value, dict):
        return {key: _unmarked(inner) for key, inner in value.items() if key != "cache_control"}
    if isinstance(value, list):
        return [_unmarked(inner) for inner in value]
    return value
