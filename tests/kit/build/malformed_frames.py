"""Frames no client should send, from a seed: broken, misspelt, too long, too deep, half right."""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

TASK = "task_ujxpsv4xdo3hv4xxdonxpftgj4"
LIMIT_BYTES = 64 * 1024
UUID = "0198c5a2-6b1e-7d3f-9a51-3c6f0d2b8e11"

VALID: list[dict[str, Any]] = [
    {"t": "hello", "v": 1, "token": "x", "device": {"id": "d"}, "subs": []},
    {"t": "sub", "task": TASK, "version": 3},
    {"t": "unsub", "task": TASK},
    {"t": "cmd", "id": UUID, "op": "instruct", "task": TASK, "args": {"text": "More"}},
    {"t": "cmd", "id": UUID, "op": "submit", "args": {"prompt": "x", "repository": {"url": "u"}}},
    {"t": "seen", "cursors": {TASK: 4}},
    {"t": "vis", "state": "active", "focus": TASK},
    {"t": "auth", "token": "x"},
    {"t": "pong"},
]
STRANGE: list[Any] = [
    None, True, -1, 0, 2**63, 2**200, 1.5, 1e308, "", "\x00", "\ud800", "😀" * 50, "x" * 5000,
    [], [[]], {}, {"": ""}, {"t": "hello"}, "../../etc/passwd", "task_", "inbox", "'; DROP TABLE--",
]  # fmt: skip


class Frame(NamedTuple):
    """`is_text` tells the frame's opcode; `content` may be no UTF-8 all the same."""

    content: bytes
    is_text: bool

    @property
    def is_too_long(self) -> bool:
        return len(self.content) > LIMIT_BYTES

    @property
    def is_no_text(self) -> bool:
        """Return whether it claims to be text and is no UTF-8."""
        try:
            self.content.decode()
        except UnicodeDecodeError:
            return self.is_text
        return False


def malformed(seed: int) -> Iterator[Frame]:
    """Yield frames for ever, the same for the same seed."""
    chance = random.Random(seed)
    kinds: list[Callable[[random.Random], bytes]] = [
        noise, cut_short, with_a_byte_changed, with_a_strange_value, without_a_field, of_no_kind,
        too_deep, too_long, of_another_shape, with_a_strange_command,
    ]  # fmt: skip
    while True:
        yield Frame(chance.choice(kinds)(chance), is_text=chance.random() < 0.8)


def _spell(value: Any) -> bytes:
    return json.dumps(value).encode()


def _valid(chance: random.Random) -> dict[str, Any]:
    return dict(chance.choice(VALID))


def noise(chance: random.Random) -> bytes:
    return chance.randbytes(chance.choice((0, 1, 7, 300)))


def cut_short(chance: random.Random) -> bytes:
    whole = _spell(_valid(chance))
    return whole[: chance.randrange(len(whole))]


def with_a_byte_changed(chance: random.Random) -> bytes:
    whole = bytearray(_spell(_valid(chance)))
    whole[chance.randrange(len(whole))] = chance.randrange(256)
    return bytes(whole)


def with_a_strange_value(chance: random.Random) -> bytes:
    item = _valid(chance)
    item[chance.choice(list(item))] = chance.choice(STRANGE)
    return _spell(item)


def without_a_field(chance: random.Random) -> bytes:
    item = _valid(chance)
    del item[chance.choice(list(item))]
    return _spell(item)


def of_no_kind(chance: random.Random) -> bytes:
    return _spell({**_valid(chance), "t": chance.choice(("dance", "welcome", "ack", "bye", "T"))})


def too_deep(chance: random.Random) -> bytes:
    deep = chance.choice((b"[", b'{"a":')) * chance.choice((40, 2000, 9000))
    return b'{"t":"cmd","id":"1","op":"x","args":%s' % deep


def too_long(chance: random.Random) -> bytes:
    return _spell({"t": "seen", "cursors": {TASK: 1}, "x": "x" * chance.choice((65_536, 200_000))})


def of_another_shape(chance: random.Random) -> bytes:
    return _spell(chance.choice([*STRANGE, [_valid(chance)], {"t": {"t": "pong"}}]))


def with_a_strange_command(chance: random.Random) -> bytes:
    strange = chance.choice(STRANGE)
    command = {"t": "cmd", "id": UUID, "op": "instruct", "task": TASK, "args": {"text": "More"}}
    command[chance.choice(("id", "op", "task"))] = chance.choice(("", "\ud800", "x" * 300, "😀"))
    command["args"] = {"text": strange} if chance.random() < 0.5 else strange
    return _spell(command)
