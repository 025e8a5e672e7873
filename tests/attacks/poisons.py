"""Events a hostile worker may write into its task's history, by family.

A poison takes the envelope an honest event would have and returns the bytes that are stored.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from events.limits import MAX_COUNT

Fields = dict[str, Any]
Poison = Callable[[Fields], bytes]

NOON: Final = "2026-01-01T12:00:00Z"
TOOL: Final[Fields] = {"type": "tool.started", "call": "c1", "tool": "bash", "title": "t"}
DONE: Final[Fields] = {"type": "tool.completed", "call": "c1", "output": "o"}
REPLIED: Final[Fields] = {
    "type": "model.replied", "turn": 2, "stop_reason": "end_turn", "usage": {}, "cost_microusd": 1,
}  # fmt: skip
END: Final[Fields] = {"type": "task.finished", "summary": "s", "outcome": "no_changes"}
FAILED: Final[Fields] = {"type": "task.failed", "reason": "r", "detail": "d", "remedy": "m"}
ASKED: Final[Fields] = {"type": "question.asked", "request": "q1", "call": "c1", "text": "?"}
APPROVAL: Final[Fields] = {
    "type": "approval.requested", "request": "a1", "call": "c1", "tool": "bash", "title": "t",
    "digest": "0" * 64, "covers": "commands", "expires_at": NOON, "command": "ls",
}  # fmt: skip
STORED: Final[Fields] = {
    "type": "artifact.stored", "name": "n.txt", "media_type": "text/plain",
    "blob": {"key": "k", "size_bytes": 1, "sha256": "0"},
}  # fmt: skip
PREPARED: Final[Fields] = {
    "type": "workspace.prepared", "commit": "c", "base": "main", "branch": "b", "seconds": 1,
}  # fmt: skip
BUDGET: Final[Fields] = {"type": "budget.exhausted", "scope": "cost", "spent": 1, "limit": 1}
STARTED: Final[Fields] = {"type": "attempt.started", "attempt": 1, "machine": "m"}
SNAPSHOT: Final[Fields] = {
    "type": "snapshot.taken", "tree": "t", "pack": {"key": "k", "size_bytes": 1, "sha256": "0"},
    "files": 1, "insertions": 1, "deletions": 1,
}  # fmt: skip


def envelope(task: str, version: int, name: str) -> Fields:
    """Give the fields around a fact as an honest worker's event has them."""
    return {"id": name, "task": task, "version": version, "at": NOON, "by": "worker:1", "cause": ""}


def saying(*facts: Fields, **changes: Any) -> Poison:
    """An event of this fact, some fields of it or of its envelope changed."""

    def spell(around: Fields) -> bytes:
        fields = dict(around)
        for fact in facts:
            fields |= fact
        return json.dumps(fields | changes).encode()

    return spell


def spelt(fact: Fields, mark: str, text: str) -> Poison:
    """An event in which the JSON string `mark` is replaced by these very characters."""

    def spell(around: Fields) -> bytes:
        return json.dumps(around | fact).encode().replace(b'"%s"' % mark.encode(), text.encode())

    return spell


def raw(content: bytes) -> Poison:
    """Bytes that are no event at all."""
    return lambda _around: content


def at_version(version: Callable[[int], Any]) -> Poison:
    """An event that stands where it should not."""

    def spell(around: Fields) -> bytes:
        return json.dumps(around | TOOL | {"version": version(around["version"])}).encode()

    return spell


def deep(levels: int, opening: str = "[", closing: str = "]") -> Poison:
    """A reply with a block nested so deep."""
    fact = REPLIED | {"blocks": [{"type": "text", "text": "x", "x": "MARK"}]}
    return spelt(fact, "MARK", opening * levels + "1" + closing * levels)


def block(**fields: Any) -> Poison:
    """A reply with this block."""
    return saying(REPLIED, stop_reason="tool_use", blocks=[fields])


ODD_TIMES: Final = (
    "2026-01-01T00:00:00", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999-23:59",
    "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "1999-12-31T23:59:59Z", "", "yesterday",
    0, -1, 1e300, None, "2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:60Z",
    "2026-01-01T00:00:00+99:99",
)  # fmt: skip
FAR_TIMES: Final = ("2100-12-31T23:59:59-23:59", "2000-01-01T00:00:00+23:59")
ODD_NUMBERS: Final = (0, -1, MAX_COUNT, MAX_COUNT + 1, 2**63, 2**64, 10**400, 1.5, True, "1", None)
NO_NUMBERS: Final = ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "01", "0x1", "1e5")
ODD_TEXTS: Final = (
    "\x00", "a\x00b", "\x1b[2J", "\u202e", "\r\n", "a\r\nSet-Cookie: x=y", " ", "", "a.b c",
    "a b.*.>", "\ud800", "\udfff\ud800", "🙂" * 50, "../" * 60, "%00", "'; DROP TABLE x; --",
    "\\u0000", "x" * 4097, "x" * 65_537, "x" * 250 * 1024,
)  # fmt: skip

DEEP: Final = (100, 123, 124, 125)
TOO_DEEP: Final = (126, 127, 128, 130, 500, 5000)

FAMILIES: Final[Mapping[str, Sequence[Poison]]] = MappingProxyType(
    {
        "times": [
            *(saying(fact, at=at) for at in ODD_TIMES for fact in (TOOL, END, FAILED)),
            *(saying(TOOL, at=at) for at in FAR_TIMES),
            *(saying(APPROVAL, expires_at=at) for at in (*ODD_TIMES, *FAR_TIMES)),
            *(saying(BUDGET, resets_at=at) for at in ODD_TIMES if at is not None),
            *(
                saying(type="model.failed", turn=1, kind="k", detail="d", retry_at=at)
                for at in ODD_TIMES
                if at is not None
            ),
        ],
        "no_events": [
            *(deep(levels) for levels in TOO_DEEP),
            *(deep(levels, '{"a":', "}") for levels in (*TOO_DEEP, 20_000)),
            deep(100_000),
            raw(b"[" * 200_000),
            raw(b'{"a":' * 40_000),
            lambda around: json.dumps(around | TOOL).encode()[:-1] + b',"x":' + b"[" * 5000 + b"}",
            raw(b""), raw(b"\x00\xff garbage \x80"), raw(b"{}"), raw(b"[]"), raw(b"null"),
            raw(b"1"), raw(b'"text"'), raw(b"\xef\xbb\xbf{}"), raw(b" " * 1000), raw(b"{" * 100),
            saying(type="task.unheard_of"), saying(type=None), saying(type=["tool.started"]),
            saying(TOOL, t="event"),
            saying(TOOL, schema=99), saying(TOOL, schema=0), saying(TOOL, schema=-(2**62)),
            saying(TOOL, task="task_of_another"), saying(TOOL, task=None), saying(TOOL, by=None),
            saying(TOOL, id=""), saying(TOOL, id="a b.c\n"), saying(TOOL, id="x" * 10_000),
            spelt(TOOL | {"title": "MARK"}, "MARK", '"a","title":"b","version":1'),
            lambda around: json.dumps(around | TOOL).encode() + b"{}",
            lambda around: json.dumps(around | TOOL).encode().replace(b'"t"', b'"\xff\xfe"'),
            lambda around: json.dumps(around | TOOL).encode()[:-7],
            *(
                at_version(version)
                for version in (
                    lambda _next: 0,
                    lambda _next: -1,
                    lambda _next: 1,
                    lambda _next: 2**63,
                    lambda _next: -(2**63),
                    lambda _next: 10**300,
                    lambda v: v - 1,
                    lambda v: v + 1,
                    lambda v: v + 2**52,
                    lambda v: v + 0.5,
                    str,
                    lambda _next: None,
                )
            ),
        ],
        "forgeries": [
            *(deep(levels) for levels in DEEP),
            *(deep(levels, '{"a":', "}") for levels in DEEP),
            saying(TOOL, type="task.cancelled", reason="forged"),
            spelt(TOOL | {"title": "MARK"}, "MARK", '"a","type":"task.erased"'),
        ],
        "numbers": [
            *(saying(DONE, exit_code=n, seconds=n) for n in ODD_NUMBERS),
            *(saying(DONE, exit_code=-n) for n in (MAX_COUNT, 2**63)),
            *(saying(PREPARED, seconds=n) for n in ODD_NUMBERS),
            *(saying(SNAPSHOT, files=n, insertions=n) for n in ODD_NUMBERS),
            *(saying(STORED, blob={"key": "k", "size_bytes": n, "sha256": "0"})
              for n in ODD_NUMBERS),
            *(spelt(PREPARED | {"seconds": "MARK"}, "MARK", n) for n in NO_NUMBERS),
            *(saying(type="pull_request.opened", number=n, url="u", title="t")
              for n in ODD_NUMBERS),
            saying(type="attempt.ended", attempt=MAX_COUNT, reason="r"),
            saying(STARTED, attempt=0), saying(STARTED, attempt=-1),
            saying(STARTED, attempt=2**63),
            saying(type="attempt.ended", attempt=0, reason=""),
            saying(STARTED, attempt=MAX_COUNT),
        ],
        "words": [
            *(saying(TOOL, title=text, command=text) for text in ODD_TEXTS),
            *(saying(TOOL, call=text, tool=text) for text in ODD_TEXTS),
            *(saying(DONE, call=text, output=text, diff=text) for text in ODD_TEXTS),
            *(saying(STORED, name=text, media_type=text) for text in ODD_TEXTS),
            *(saying(PREPARED, base=text, branch=text, commit=text) for text in ODD_TEXTS),
            *(saying(type="branch.pushed", branch=text, commit=text) for text in ODD_TEXTS),
            *(saying(type="pull_request.opened", number=1, url=text, title=text)
              for text in ODD_TEXTS),
            *(saying(TOOL, by=text, cause=text) for text in ODD_TEXTS),
        ],
        "replies": [
            block(type="text", text=None), block(type="text"), block(), block(type=None),
            block(type="tool_use"), block(type="tool_use", id="x", name="bash"),
            block(type="tool_use", id=None, name=None, input=None),
            block(type="tool_use", id="x", name="bash", input=[1]),
            block(type="tool_use", id=["x"], name={"a": 1}, input="x"),
            block(type="tool_use", id="x" * 200_000, name="x", input={}),
            block(type="thinking", thinking=3, signature=[]), block(type={"a": 1}),
            block(type="text", text="\x00\ud800"), block(type="text", text="x" * 200_000),
            block(type="tool_result", tool_use_id=1, content=[[]]),
            saying(REPLIED, blocks=[]), saying(REPLIED, blocks=[None]),
            saying(REPLIED, blocks={}), saying(REPLIED, blocks=[[]]),
            saying(REPLIED, blocks=[{}] * 60_000),
            saying(REPLIED, blob={"key": "../../x", "size_bytes": 0, "sha256": ""}),
            saying(REPLIED, stop_reason=""), saying(REPLIED, stop_reason="\x00"),
            *(saying(REPLIED, turn=n) for n in ODD_NUMBERS),
            *(saying(REPLIED, cost_microusd=n) for n in ODD_NUMBERS),
            *(saying(REPLIED, usage={"input_tokens": n}) for n in ODD_NUMBERS),
            *(spelt(REPLIED | {"turn": "MARK"}, "MARK", n) for n in NO_NUMBERS),
            *(spelt(REPLIED | {"blocks": [{"type": "text", "text": "x", "n": "MARK"}]}, "MARK", n)
              for n in (*NO_NUMBERS, "1" * 5000)),
        ],
        "requests": [
            *(saying(ASKED, request=text, text=text, options=[text]) for text in ODD_TEXTS),
            *(saying(APPROVAL, request=text, digest=text) for text in ODD_TEXTS),
            *(saying(APPROVAL, title=text, covers=text, command=text, diff=text)
              for text in ODD_TEXTS),
            saying(ASKED, options=["x"] * 1000), saying(ASKED, options=["x"] * 5000),
            saying(ASKED, options="x"), saying(APPROVAL, expires_at=NOON, digest=""),
            saying(type="plan.updated", items=[{"text": "x", "state": "odd"}]),
            saying(type="plan.updated", items=[{"text": "\x00", "state": "done"}] * 1000),
        ],
    }
)  # fmt: skip
"""Each family is stored in the history of one task, one after the other."""

FLOODS: Final[Mapping[str, tuple[Poison, int]]] = MappingProxyType(
    {
        "sums": (
            saying(
                REPLIED,
                cost_microusd=MAX_COUNT,
                usage={
                    "input_tokens": MAX_COUNT,
                    "output_tokens": MAX_COUNT,
                    "cache_creation_input_tokens": MAX_COUNT,
                    "cache_read_input_tokens": MAX_COUNT,
                },
            ),
            2100,
        )
    }
)
"""A fact, and how often: what is summed over a history grows beyond 64 bits."""

ENDED_AS: Final[Mapping[str, str]] = MappingProxyType(
    {"forgeries": "tampered", "replies": "model_stalled", "sums": "model_stalled"}
)
"""The reason with which these end their task by themselves; all others leave it to its person.

A reply that nobody gave is the worker's own word: it acts on it as on any reply.
"""

SAMPLE: Final = tuple(
    poison for name, family in FAMILIES.items() if name not in ENDED_AS for poison in family[:-1:7]
)
"""Some of every family that does not end its task."""
