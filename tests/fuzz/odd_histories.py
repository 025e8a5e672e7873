"""Histories as nobody should write them: what Hypothesis draws from to break a fold.

A worker's facts need no signature and its bytes are its own, so whatever is drawn here can really
stand in the log. Most events are nearly right: what is refused at once breaks nothing.
"""

import json
from typing import Any, Final

import msgspec
from hypothesis import strategies as st

from events import History, TaskSubmitted
from events.limits import MAX_COUNT, MAX_NAME_CHARACTERS
from tests.events.specimens import specimens
from tests.kit.build.any_event import HISTORY, TASK_EVENTS, recorded, texts

CALLS = ("toolu_1", "toolu_2", "", "c" * MAX_NAME_CHARACTERS, "🙂", "\x00")
TIMES = (
    "2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00+14:00",
    "2000-01-01T00:00:00Z",
    "2100-12-31T23:59:59.999999-12:00",
    "2026-01-01T00:00:00",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "",
)
NUMBERS = (0, 1, 2, 3, 2**31, MAX_COUNT, MAX_COUNT + 1, 2**63, 2**64, -1, -(2**63), 10**30, 1.5)
WORDS = (
    "", " ", "\x00", "\u202e", "\ufeff", "🙂" * 300, "x" * 70_000, "NaN", "../../etc/passwd", ", ",
    "a\r\nb: c", "worker:1", "person:per_1", "tool_use", "pause_turn", "end_turn", "interrupted",
)  # fmt: skip
INPUTS: tuple[Any, ...] = (
    None, 0, "", [], {}, {"command": None}, {"command": "rm -rf /"}, {"command": ["ls"]},
    {"path": 3}, {"question": "?"}, {"question": "", "options": None}, {"summary": "s"},
    {"summary": "s", "title": "t", "body": "b"}, {"summary": 1, "title": [], "body": {}},
)  # fmt: skip


def nested(levels: int) -> Any:
    """A value nested so deep."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


odd_values = (
    st.sampled_from((*TIMES, *NUMBERS, *WORDS, None, True, [], {}, [None], [[]], {"": None}))
    | texts
    | st.integers(0, 200).map(nested)
)
times = st.sampled_from(TIMES[:4] * 40 + TIMES)
counts = st.sampled_from(NUMBERS[:6] * 40 + NUMBERS)
odd_blocks = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "tool_use", "thinking", "", None, 3])},
    optional={
        "id": st.sampled_from(CALLS) | odd_values,
        "name": st.sampled_from(
            ["bash", "read", "write", "edit", "ask", "submit", "plan", "", None]
        ),
        "input": st.sampled_from(INPUTS) | odd_values,
        "text": st.sampled_from(["said", "", " ", None, 7, ["x"]]),
    },
)
_USUAL = {
    "call": st.sampled_from(CALLS),
    "request": st.sampled_from(("req_1", "req_2", "")),
    "attempt": counts,
    "turn": counts,
    "blocks": st.lists(odd_blocks | st.dictionaries(texts, odd_values, max_size=2), max_size=4),
    "tool": st.sampled_from(["bash", "read", "write", "ask", "submit", ""]),
    "stop_reason": st.sampled_from(["tool_use", "end_turn", "pause_turn", "max_tokens", "refusal"]),
    "covers": st.sampled_from(["", ", ", "files, commands", "🙂"]),
    "name": st.sampled_from(["diff.patch", "", "x"]),
}


@st.composite
def _fields(draw: st.DrawFn, kind: type[Any], known: dict[type, list[dict[str, Any]]]) -> Any:
    """The fields of a fact: a specimen's, some of them something else."""
    made = dict(draw(st.sampled_from(known[kind])))
    names = [name for name in made if name not in _ENVELOPE]
    for name in names:
        if name in _USUAL:
            made[name] = draw(_USUAL[name])
        elif name.endswith("_at") or name == "deadline":
            made[name] = draw(times)
        elif isinstance(made[name], int | float) and not isinstance(made[name], bool):
            made[name] = draw(counts)
    if names and draw(st.integers(0, 5)) == 0:
        made[draw(st.sampled_from(names))] = draw(odd_values)
    if names and draw(st.integers(0, 15)) == 0:
        del made[draw(st.sampled_from(names))]
    return made


_ENVELOPE = ("id", "task", "version", "at", "by", "cause", "type", "schema")
_KNOWN: dict[type, list[dict[str, Any]]] = {
    kind: [json.loads(msgspec.json.encode(fact)) for fact in specimens(kind)]
    for kind in TASK_EVENTS
}


@st.composite
def odd_event(draw: st.DrawFn) -> tuple[dict[str, Any], str]:
    """A stored event without its version, and how its bytes are spoilt."""
    kind = draw(st.sampled_from(TASK_EVENTS))
    fact = draw(_fields(kind, _KNOWN))
    envelope = {
        "id": f"evt_{draw(st.integers(0, 50))}",
        "task": HISTORY.task,
        "at": draw(times),
        "by": draw(st.sampled_from(["worker:1", "worker:2", "scheduler", "person:per_1", "\x00"])),
        "cause": draw(st.sampled_from(["", "evt_1", "0198c5a2-6b1e-7d3f-9a51-3c6f0d2b8e11"])),
    }
    if draw(st.integers(0, 20)) == 0:
        envelope[draw(st.sampled_from(list(envelope)))] = draw(odd_values)
    spoilt = draw(
        st.sampled_from(("",) * 40 + ("cut", "garbage", "bytes", "again", "skip", "deep"))
    )
    return {**envelope, **fact}, spoilt


def spell(event: tuple[dict[str, Any], str], version: int) -> bytes:
    """The bytes that stand in the log where a version is to be."""
    fields, spoilt = event
    place = {"again": version - 1, "skip": version + 2}.get(spoilt, version)
    body = json.dumps(fields | {"version": place}).encode("utf-8", "surrogatepass")
    match spoilt:
        case "cut":
            return body[: len(body) // 2]
        case "garbage":
            return b"\x00\xff" + body
        case "bytes":
            return body.replace(b'"by": "', b'"by": "\xed\xa0\x80')
        case "deep":
            return body[:-1] + b',"x":%s%s}' % (b"[" * 5000, b"]" * 5000)
        case _:
            return body


SUBMITTED = next(iter(specimens(TaskSubmitted)))
EVENTS_PER_HISTORY: Final = 30
odd_histories = st.lists(odd_event(), min_size=EVENTS_PER_HISTORY, max_size=EVENTS_PER_HISTORY)


def beginning(history: History = HISTORY) -> bytes:
    """The event that makes a history one of a task."""
    return recorded(SUBMITTED, 1, history=history).body
