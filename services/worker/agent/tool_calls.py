"""Tool calls of the model, read from the blocks of its reply. Pure."""

import re
from collections.abc import Iterable
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from events import Block, CallId
from events.limits import MAX_NAME_CHARACTERS
from services.worker.agent.context.window import WINDOW_EXCEEDED

ASK: Final = "ask"
SUBMIT: Final = "submit"
READ_ONLY: Final = frozenset({"read", "glob", "grep"})
MUTATING: Final = frozenset({"bash", "write", "edit"})
"""Tools whose calls may need approval, and are undone with the tree they changed."""

WITHOUT_FILES: Final = frozenset({"plan", ASK, SUBMIT})

WHOLE: Final = frozenset({"tool_use", "end_turn"})
"""Stop reasons of replies whose calls are run; any other reason means that the reply was cut."""

_GOES_ON: Final = frozenset({"tool_use", "pause_turn", "max_tokens", WINDOW_EXCEEDED})
_ENDS: Final = frozenset({"end_turn", "stop_sequence"})
_TITLE_CHARACTERS = 120
_CALL_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


class Call(msgspec.Struct, frozen=True):
    """One tool call of a reply, as the model spelled it."""

    id: CallId
    name: str
    input: dict[str, Any]


class Ask(msgspec.Struct, frozen=True):
    """Arguments of `ask`."""

    question: Annotated[str, Meta(pattern=r"\S", description="What you need to know.")]
    options: Annotated[
        tuple[str, ...], Meta(description="Answers to choose from; the person may write another.")
    ] = ()


class Submit(msgspec.Struct, frozen=True):
    """Arguments of `submit`."""

    summary: Annotated[
        str, Meta(pattern=r"\S", description="What you did, for the person, in a few sentences.")
    ]
    title: Annotated[
        str, Meta(pattern=r"\S", description="Title of the commit and of the pull request.")
    ]
    body: Annotated[str, Meta(description="Description of the pull request, in Markdown.")]


Arguments = TypeVar("Arguments", Ask, Submit)


def calls_of(blocks: Iterable[Block]) -> tuple[Call, ...]:
    """Return the client tool calls of a reply, in its order."""
    return tuple(
        Call(CallId(block["id"]), block["name"], block["input"])
        for block in blocks
        if is_call(block)
    )


def is_call(block: Block) -> bool:
    """Return whether a block is a tool call that can be run, answered and sent back."""
    return (
        block.get("type") == "tool_use"
        and isinstance(block.get("id"), str)
        and len(block["id"]) <= MAX_NAME_CHARACTERS
        and isinstance(block.get("name"), str)
        and isinstance(block.get("input"), dict)
    )


def with_own_ids(blocks: Iterable[Block], taken: Iterable[str], turn: int) -> tuple[Block, ...]:
    """Give each tool call an id of its own where the model's was used before, or cannot be used.

    Some servers number the calls of every reply from 0. All that is kept of a call is kept by its
    id, so no two calls of a task may share one.
    """
    seen = set(taken)
    owned: list[Block] = []
    for place, block in enumerate(blocks):
        mine = block
        if block.get("type") == "tool_use":
            name = block.get("id")
            if not isinstance(name, str) or name in seen or not _CALL_ID.fullmatch(name):
                mine = {**block, "id": f"errand_{turn}_{place}"}
            seen.add(mine["id"])
        owned.append(mine)
    return tuple(owned)


def text_of(blocks: Iterable[Block]) -> str:
    """Return the text of a reply."""
    texts = (block.get("text") for block in blocks if block.get("type") == "text")
    said = (text.strip() for text in texts if isinstance(text, str))
    return "\n\n".join(text for text in said if text)


def size_bytes_of(blocks: Iterable[Block]) -> int:
    """Return the length of a reply as it is sent back."""
    return sum(len(msgspec.json.encode(block)) for block in blocks)


def wants_more(stop_reason: str, text: str) -> bool:
    """Return whether a reply without calls leaves the work unfinished: cut, or saying nothing."""
    return stop_reason in _GOES_ON or (stop_reason in _ENDS and not text)


def question_in(call: Call) -> Ask | None:
    """Read the question of an `ask`; None of any other call, or of a malformed one."""
    return _read(call, ASK, Ask)


def submission_in(call: Call) -> Submit | None:
    """Read what a `submit` hands in; None of any other call, or of a malformed one."""
    return _read(call, SUBMIT, Submit)


def one_line(text: str, limit_characters: int = _TITLE_CHARACTERS) -> str:
    """Squeeze a text into one line that is not longer than the limit."""
    line = " ".join(text.split())
    return line if len(line) <= limit_characters else f"{line[: limit_characters - 1].rstrip()}…"


def _read(call: Call, name: str, kind: type[Arguments]) -> Arguments | None:
    if call.name != name:
        return None
    try:
        return msgspec.convert(call.input, kind)
    except msgspec.ValidationError:
        return None
