"""Parser of `devcontainer.json`, the part that applies here: its commands and variables. Pure.

Source: containers.dev, "Dev Container metadata reference". Commands are a string, run by a shell;
a list, run as it is; or an object of such, of which any may run first.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from events import EnvironmentDefinition
from services.worker.workspace.environment.definition_file import (
    InvalidDefinition,
    checked_definition,
)

PATHS: Final = (".devcontainer/devcontainer.json", ".devcontainer.json")

_COMMANDS: Final = ("onCreateCommand", "updateContentCommand", "postCreateCommand")
_START: Final = "postStartCommand"
# A string, or what is left out: a comment, or the comma before a closing bracket.
_TOKEN: Final = re.compile(
    r'"(?:[^"\\]|\\.)*"|//[^\n]*|/\*.*?\*/|,(?=(?:\s|//[^\n]*|/\*.*?\*/)*[}\]])', re.DOTALL
)
_FOLDERS: Final = re.compile(r"\$\{(containerWorkspaceFolder|localWorkspaceFolder)\}")
_LOCAL: Final = re.compile(r"\$\{(localEnv|containerEnv|remoteEnv|env):([^:}]*)(?::([^}]*))?\}")
_PLAIN_WORD: Final = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")


def parse_devcontainer(path: str, text: str) -> EnvironmentDefinition | None:
    """Return the environment that the file defines; None when it has neither command nor variable.

    Raises InvalidDefinition.
    """
    try:
        content = msgspec.json.decode(without_comments(text).encode())
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InvalidDefinition(path, f"This is not JSON with comments: {error}.") from None
    if not isinstance(content, dict):
        raise InvalidDefinition(path, "This is not a JSON object. Correct it.")
    setup = [line for name in _COMMANDS for line in _lines(path, name, content.get(name))]
    start = list(_lines(path, _START, content.get(_START)))
    variables = _variables(path, content.get("containerEnv"))
    if not (setup or start or variables):
        return None
    image = content.get("image", "")
    values = {
        "setup": "\n".join(setup),
        "start": "\n".join(start),
        "env": variables,
        "image": image if isinstance(image, str) else "",
    }
    return checked_definition(path, values)


def without_comments(text: str) -> str:
    """Return JSON without comments and without commas before a closing bracket."""
    return _TOKEN.sub(lambda found: found[0] if found[0].startswith('"') else " ", text)


def _lines(path: str, name: str, value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    """Yield the lines of a script that a command's value stands for."""
    match value:
        case None | "" | []:
            return
        case str():
            yield _with_folder(value)
        case [*words] if all(isinstance(word, str) for word in words):
            yield " ".join(_quoted(_with_folder(word)) for word in words)
        case dict():
            for each in value.values():
                if isinstance(each, dict):
                    raise InvalidDefinition(path, f"`{name}` is nested too deeply. Correct it.")
                yield from _lines(path, name, each)
        case _:
            raise InvalidDefinition(
                path, f"`{name}` is not a string, a list of strings or an object. Correct it."
            )


def _variables(path: str, value: Any) -> dict[str, str]:  # noqa: ANN401 - any JSON value
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidDefinition(path, "`containerEnv` is not an object of strings. Correct it.")
    return {
        name: _LOCAL.sub(lambda found: found[3] or "", _with_folder(text))
        for name, text in value.items()
        if isinstance(text, str)
    }


def _with_folder(text: str) -> str:
    return _FOLDERS.sub("/workspace", text)


def _quoted(word: str) -> str:
    return word if _PLAIN_WORD.fullmatch(word) else "'" + word.replace("'", "'\\''") + "'"
