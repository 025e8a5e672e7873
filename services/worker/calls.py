"""What the model asks for: tool calls, read from the blocks of its reply. Pure."""

from collections.abc import Iterable
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from events import Block, CallId

ASK: Final = "ask"
SUBMIT: Final = "submit"
READ_ONLY: Final = frozenset({"read", "glob", "grep"})
MUTATING: Final = frozenset({"bash", "write", "edit"})

_TITLE_CHARACTERS = 120


class Call(msgspec.Struct, frozen=True):
    """One tool call of a reply, as the model spelled it."""

    id: CallId
    name: str
    input: dict[str, Any]


class Ask(msgspec.Struct, frozen=True):
    """Arguments of `ask`."""

    question: Annotated[str, Meta(min_length=1, description="What you need to know.")]
    options: Annotated[
        tuple[str, ...], Meta(description="Answers to choose from; the person may write another.")
    ] = ()


class Submit(msgspec.Struct, frozen=True):
    """Arguments of `submit`."""

    summary: Annotated[
        str, Meta(min_length=1, description="What you did, for the person, in a few sentences.")
    ]
    title: Annotated[
        str, Meta(min_length=1, description="Title of the commit and of the pull request.")
    ]
    body: Annotated[str, Meta(description="Description of the pull request, in Markdown.")]


Arguments = TypeVar("Arguments", Ask, Submit)


def calls_of(blocks: Iterable[Block]) -> tuple[Call, ...]:
    """Return the client tool calls of a reply, in its order."""
    return tuple(
        Call(CallId(block["id"]), block["name"], block["input"])
        for block in blocks
        if block.get("type") == "tool_use"
    )


def text_of(blocks: Iterable[Block]) -> str:
    """Return what a reply says aloud."""
    said = (block["text"].strip() for block in blocks if block.get("type") == "text")
    return "\n\n".join(text for text in said if text)


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
