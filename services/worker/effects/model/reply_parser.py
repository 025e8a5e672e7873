"""Parser of a streamed reply: every part is checked in shape before anything of it is recorded.

The blocks of a sound reply come out as they came in, for they go back verbatim. What does not have
the Messages API's shape raises MalformedReply, whatever it is; so no later reader of the history
meets it. Source: the Messages API, "Streaming" and "Content blocks".
"""

from collections.abc import Callable
from typing import Any, Final

from events import Block, Usage
from services.worker.agent.tool_calls import WHOLE
from services.worker.effects.model.json_decoder import MalformedReply, decode_json, shown
from services.worker.ports import ModelReply, OnDelta

MAX_BLOCKS: Final = 1_000
MAX_CONTENT_CHARACTERS: Final = 8 * 1024 * 1024
MAX_NAME_CHARACTERS: Final = 200
MAX_TOKENS: Final = 1_000_000_000

_DELTAS: Final = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("thinking", "signature"),
}


class ReplyParser:
    """A reply while it comes in: feed it every event, then `finish`."""

    def __init__(self, on_delta: OnDelta) -> None:
        self._on_delta = on_delta
        self._blocks: dict[int, Block] = {}
        self._open: set[int] = set()
        self._inputs: dict[int, list[str]] = {}
        self._parts: dict[tuple[int, str], list[str]] = {}
        self._usage: dict[str, int] = {}
        self._characters = 0
        self._model = ""
        self._stop_reason = ""
        self._has_begun = False
        self.is_complete = False

    def add_event(self, event: dict[str, Any]) -> None:
        """Take one event of the stream; unknown kinds are passed over. Raises MalformedReply."""
        match event.get("type"):
            case "message_start":
                self._begin(_object(event, "message"))
            case "content_block_start":
                self._start_block(_index(event), _object(event, "content_block"))
            case "content_block_delta":
                self._grow_block(_index(event), _object(event, "delta"))
            case "content_block_stop":
                self._open.discard(_index(event))
            case "message_delta":
                self._end(event)
            case "message_stop":
                self.is_complete = True
            case str():
                pass
            case _:
                raise MalformedReply("an event has no type")

    def finish(self, request: str) -> ModelReply | None:
        """Return the reply; None when its end never came. Raises MalformedReply."""
        if not self.is_complete or not self._stop_reason:
            return None
        if not self._has_begun:
            raise MalformedReply("it has no beginning")
        self._join_parts()
        blocks = tuple(self._blocks[index] for index in sorted(self._blocks))
        for block in blocks:
            _check_block(block)
        return ModelReply(
            blocks=blocks,
            stop_reason=self._stop_reason,
            usage=Usage(**self._usage),
            model=self._model,
            request=request[:MAX_NAME_CHARACTERS],
        )

    def _join_parts(self) -> None:
        for index, inputs in self._inputs.items():
            self._blocks[index]["input"] = _input("".join(inputs), self._stop_reason)
        for (index, field), parts in self._parts.items():
            before = self._blocks[index].get(field) or ""
            if not isinstance(before, str):
                raise MalformedReply(f"the {field} of block {index} is no text")
            self._blocks[index][field] = before + "".join(parts)

    def _begin(self, message: dict[str, Any]) -> None:
        if self._has_begun:
            raise MalformedReply("it begins twice")
        self._has_begun = True
        self._model = _name(message, "model", "the message")
        self._count(message.get("usage"))

    def _start_block(self, index: int, block: Block) -> None:
        if index in self._blocks:
            raise MalformedReply(f"block {index} begins twice")
        if len(self._blocks) >= MAX_BLOCKS:
            raise MalformedReply(f"it has more than {MAX_BLOCKS} blocks")
        _name(block, "type", f"block {index}")
        self._blocks[index] = dict(block)
        self._open.add(index)

    def _grow_block(self, index: int, delta: dict[str, Any]) -> None:
        kind = _name(delta, "type", f"a delta of block {index}")
        if index not in self._open:
            raise MalformedReply(f"a delta belongs to block {index}, which is not open")
        block = self._blocks[index]
        if kind == "input_json_delta":
            self._fits(block, "tool_use", kind)
            self._inputs.setdefault(index, []).append(self._text(delta, "partial_json"))
        elif kind == "citations_delta":
            self._fits(block, "text", kind)
            block["citations"] = [*(block.get("citations") or ()), _object(delta, "citation")]
        elif kind in _DELTAS:
            owner, field = _DELTAS[kind]
            self._fits(block, owner, kind)
            text = self._text(delta, field)
            self._parts.setdefault((index, field), []).append(text)
            if field in ("text", "thinking"):
                self._on_delta("text" if field == "text" else "thinking", index, text)

    def _text(self, delta: dict[str, Any], field: str) -> str:
        text = delta.get(field)
        if not isinstance(text, str):
            raise MalformedReply(f"a delta has no {field}")
        self._characters += len(text)
        if self._characters > MAX_CONTENT_CHARACTERS:
            raise MalformedReply(f"it is longer than {MAX_CONTENT_CHARACTERS} characters")
        return text

    @staticmethod
    def _fits(block: Block, kind: str, delta: str) -> None:
        if block["type"] != kind:
            raise MalformedReply(f"a {delta} belongs to a block of type {shown(block['type'])}")

    def _end(self, event: dict[str, Any]) -> None:
        delta = _object(event, "delta")
        if delta.get("stop_reason") is not None:
            self._stop_reason = _name(delta, "stop_reason", "the end")
        self._count(event.get("usage"))

    def _count(self, usage: object) -> None:
        """Keep the newest of each count: the later ones are totals, and may leave counts out."""
        if usage is None:
            return
        if not isinstance(usage, dict):
            raise MalformedReply("its usage is no object")
        for name in Usage.__struct_fields__:
            count = usage.get(name)
            if count is None:
                continue
            if type(count) is not int or not 0 <= count <= MAX_TOKENS:
                raise MalformedReply(f"its {name} is no count of tokens")
            self._usage[name] = count


def decode_event(data: bytes) -> dict[str, Any]:
    """Decode the data of one event. Raises MalformedReply."""
    event = decode_json(data.decode(errors="replace"), "an event")
    if not isinstance(event, dict):
        raise MalformedReply("an event is no object")
    return event


def _check_block(block: Block) -> None:
    kind = block["type"]
    check = _CHECKS.get(kind)
    if check is None:
        raise MalformedReply(f"it has a block of type {shown(kind)}, which nobody asked for")
    check(block)


def _check_text(block: Block) -> None:
    _string(block, "text")
    citations = block.get("citations")
    if citations is not None and not isinstance(citations, list):
        raise MalformedReply("the citations of a text are no list")


def _check_thinking(block: Block) -> None:
    _string(block, "thinking")
    if block.get("signature") is not None:
        _string(block, "signature")


def _check_call(block: Block) -> None:
    _name(block, "id", "a call")
    _name(block, "name", "a call")
    if not isinstance(block.get("input"), dict):
        raise MalformedReply("the input of a call is no object")


_CHECKS: Final[dict[str, Callable[[Block], None]]] = {
    "text": _check_text,
    "thinking": _check_thinking,
    "redacted_thinking": lambda block: _string(block, "data"),
    "tool_use": _check_call,
}


def _input(text: str, stop_reason: str) -> dict[str, Any]:
    """Read a call's arguments. Those of a reply that was cut are never run, and may be broken."""
    try:
        arguments = decode_json(text if text.strip() else "{}", "the input of a call")
    except MalformedReply:
        if stop_reason in WHOLE:
            raise
        return {}
    if not isinstance(arguments, dict):
        raise MalformedReply("the input of a call is no object")
    return arguments


def _object(event: dict[str, Any], field: str) -> dict[str, Any]:
    value = event.get(field)
    if not isinstance(value, dict):
        raise MalformedReply(f"a {shown(event.get('type'))} has no {field}")
    return value


def _index(event: dict[str, Any]) -> int:
    index = event.get("index")
    if type(index) is not int or index < 0:
        raise MalformedReply(f"a {shown(event.get('type'))} has no index")
    return index


def _string(block: Block, field: str) -> None:
    if not isinstance(block.get(field), str):
        raise MalformedReply(f"the {field} of a {block['type']} block is no text")


def _name(value: dict[str, Any], field: str, owner: str) -> str:
    """Return a short name. Raises MalformedReply when it is none."""
    name = value.get(field)
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise MalformedReply(f"{owner} has no {field}")
    if len(name) > MAX_NAME_CHARACTERS:
        raise MalformedReply(f"the {field} of {owner} has {len(name)} characters")
    return name
