"""A request's messages as a task: a prompt, then turns of tool calls with their results.

Stateless: the same messages give the same task, so a worker that was killed and resends its history
goes on where it was.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from infra.simulators.anthropic.billing.tokens import blocks_of

_EXIT_CODE = re.compile(r"^exit code: (-?\d+)\s*\Z", re.MULTILINE)
_INTERRUPTED = re.compile(r"\A\W*not run\b|\b(?:interrupted|cut off)\b", re.IGNORECASE)
_NOTICE = re.compile(r"\A\s*\[.*\]\s*\Z", re.DOTALL)
_UNDONE = re.compile(r"^\d+\. .*\((\w+)\)\]?$", re.MULTILINE)
_SUMMARY_WANTED = re.compile(r"\bsummarize the conversation\b", re.IGNORECASE)
_LINE_NUMBER = re.compile(r"^ *\d+(?:\t|→|[|:] ?)(.*)$")

JsonObject = dict[str, Any]

PLACE_MARK = "Rehearsal place: "
"""Begins the line of a summary by which the rehearsal finds where it was."""

_PLACE = re.compile(rf"^{PLACE_MARK}(\{{.*\}})$", re.MULTILINE)


@dataclass(frozen=True)
class Call:
    """A tool call the model asked for."""

    tool: str
    input: Mapping[str, Any]


@dataclass(frozen=True)
class Result:
    """Result of a call; `exit_code` is None where a failing result names none."""

    text: str
    is_error: bool = False
    call: str = ""
    is_undone: bool = False

    @property
    def exit_code(self) -> int | None:
        """The number on the last line `exit code: N`; without that line 0, or None for an error."""
        found = _EXIT_CODE.search(self.text)
        if found:
            return int(found.group(1))
        return None if self.is_error else 0

    @property
    def was_interrupted(self) -> bool:
        """True when the call must be made again: it was cut off, or its work is undone since."""
        return self.is_undone or (
            self.is_error
            and not _EXIT_CODE.search(self.text)
            and _INTERRUPTED.search(self.text) is not None
        )

    @property
    def content(self) -> str:
        """The text without the line numbers a reader may have put before every line."""
        lines = self.text.splitlines()
        if lines and _LINE_NUMBER.match(lines[0]):
            return "\n".join(_LINE_NUMBER.sub(r"\1", line) for line in lines)
        return self.text


@dataclass(frozen=True)
class Turn:
    """One reply of the model: its calls, each with the result that came back, and texts since."""

    answers: tuple[tuple[Call, Result], ...]
    texts: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Words of a person; a text in square brackets is a notice of the caller's instead."""
        return " ".join(text for text in self.texts if not _NOTICE.match(text)).strip()

    @property
    def effects_may_be_lost(self) -> bool:
        """Return whether a notice says that what the calls did to files may be gone."""
        return any(_NOTICE.match(text) and "may be lost" in text for text in self.texts)


@dataclass(frozen=True)
class Errand:
    """The prompt, and the turns since.

    `place`: where a summary in place of earlier turns says that they had led, as JSON.
    `wants_summary`: the caller asks for one now.
    """

    prompt: str
    turns: tuple[Turn, ...] = ()
    place: str = ""
    wants_summary: bool = False


@dataclass
class _Reading:
    """The errand so far; a prompt after a reply without calls begins a new one."""

    prompt: list[str] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    open_calls: dict[str, Call] = field(default_factory=dict)
    ended: bool = False
    place: str = ""
    wants_summary: bool = False


def errand_of(messages: Iterable[JsonObject]) -> Errand:
    """Read the last errand of a checked conversation."""
    reading = _Reading()
    for message in messages:
        blocks = blocks_of(message["content"])
        reading.wants_summary = False
        if message["role"] == "assistant":
            reading.open_calls = {
                block["id"]: Call(block["name"], block["input"])
                for block in blocks
                if block["type"] == "tool_use"
            }
            reading.ended = not reading.open_calls
        elif message["role"] == "user":
            _hear(reading, blocks)
    prompt = "\n\n".join(reading.prompt)
    return Errand(prompt, tuple(reading.turns), reading.place, reading.wants_summary)


def _hear(reading: _Reading, blocks: list[JsonObject]) -> None:
    words = [block["text"] for block in blocks if block["type"] == "text"]
    notices = [text for text in words if _NOTICE.match(text)]
    reading.wants_summary = any(_SUMMARY_WANTED.search(text) for text in notices)
    places = [found.group(1) for text in notices for found in _PLACE.finditer(text)]
    reading.place = places[-1] if places else reading.place
    results = {
        block["tool_use_id"]: Result(
            _text(block.get("content")), bool(block.get("is_error")), block["tool_use_id"]
        )
        for block in blocks
        if block["type"] == "tool_result"
    }
    if reading.ended and not (words and all(_NOTICE.match(text) for text in words)):
        reading.prompt, reading.turns, reading.ended = words, [], False
        reading.place = ""
    elif results:
        answers = tuple((call, results[name]) for name, call in reading.open_calls.items())
        reading.turns.append(Turn(answers, tuple(words)))
    elif reading.turns:
        last = reading.turns.pop()
        reading.turns.append(Turn(last.answers, (*last.texts, *words)))
    else:
        reading.prompt += [text for text in words if not _NOTICE.match(text)] or words
    _undo(
        reading, {call for text in words if _NOTICE.match(text) for call in _UNDONE.findall(text)}
    )


def _undo(reading: _Reading, calls: set[str]) -> None:
    """Go back to the first turn whose calls a notice names: what came after it rested on them."""
    first = next((n for n, turn in enumerate(reading.turns) if _calls_of(turn) & calls), None)
    if first is None:
        return
    turn, later = reading.turns[first], reading.turns[first + 1 :]
    answers = tuple(
        (call, replace(result, is_undone=result.is_undone or result.call in calls))
        for call, result in turn.answers
    )
    texts = tuple(text for each in (turn, *later) for text in each.texts)
    reading.turns[first:] = [Turn(answers, texts)]
    reading.ended = False


def _calls_of(turn: Turn) -> set[str]:
    return {result.call for _, result in turn.answers}


def _text(content: object) -> str:
    return "\n".join(block["text"] for block in blocks_of(content) if block["type"] == "text")
