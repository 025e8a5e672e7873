"""Tool: a name, a schema for the model, a title for people, and a way to run it."""

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import msgspec

from events import PlanUpdated
from services.worker.ports import OnOutput, Sandbox
from services.worker.tools.text.file_text import FileText

A = TypeVar("A", bound=msgspec.Struct)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a call.

    `output` is all there is to say; for the model it is cut to size later. `diff` is a
    unified diff of what the call changed, `plan` the plan it wrote. `is_truncated`: the sandbox
    itself had to leave some of the output out.
    """

    output: str
    exit_code: int = 0
    is_error: bool = False
    is_truncated: bool = False
    diff: str = ""
    plan: PlanUpdated | None = None


Run = Callable[[Sandbox, A, OnOutput], Awaitable[Outcome]]


class Tool(msgspec.Struct, Generic[A], frozen=True, kw_only=True):
    """One tool. `run` is None for those that the loop itself sees to (ask, submit)."""

    name: str
    description: str
    arguments: type[A]
    title: Callable[[A], str]
    run: Run[A] | None

    def spec(self) -> dict[str, Any]:
        """Return the tool as the Messages API takes it; the same bytes in every process."""
        schema = msgspec.json.schema(self.arguments)
        definitions: dict[str, Any] = schema.pop("$defs")
        own: dict[str, Any] = definitions.pop(self.arguments.__name__)
        own.pop("title", None)
        own.pop("description", None)
        if definitions:
            own["$defs"] = definitions
        return {"name": self.name, "description": self.description, "input_schema": own}


def refused(text: str) -> Outcome:
    """Return the outcome of a call that could not be done as the model asked, and why."""
    return Outcome(output=text, exit_code=1, is_error=True)


def cannot_encode(path: str, file: FileText, error: UnicodeEncodeError) -> str:
    """Return which character a file's encoding has no place for, and what to do."""
    character = error.object[error.start : error.start + 1]
    what = f"U+{ord(character):04X}"
    if file.encoding.startswith("utf"):
        return f"The text has {what} in it, half of a character; no file can hold it."
    return (
        f"{path} is {file.encoding_name}, which has no {what} ({character}). Write it without, or "
        f"turn the file into UTF-8 first: iconv -f {file.encoding} -t utf-8."
    )


def path_of(argument: str) -> str:
    """Return the path that an argument means; glob and grep quote names with control characters."""
    if argument[:1] == argument[-1:] == '"' and "\\" in argument:
        try:
            path = msgspec.json.decode(argument, type=str)
        except msgspec.DecodeError:
            return argument
        return path if any(not c.isprintable() for c in path) else argument
    return argument


def name_of(path: str) -> str:
    """Return the last part of a path, for titles; the whole of one outside the workspace."""
    if path.startswith(("/", "../")) and not path.startswith("/workspace/"):
        return path
    return path.rstrip("/").rsplit("/", 1)[-1] or path
