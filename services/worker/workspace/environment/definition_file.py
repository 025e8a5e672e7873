"""Parser of `.errand/environment.toml`. Pure."""

import tomllib
from typing import Any, Final

import msgspec

from events import EnvironmentDefinition
from events.protocol.api.environment_values import invalid_values

PATH: Final = ".errand/environment.toml"
DEFAULT_IMAGE_NAME: Final = "default"

_FIELDS: Final = EnvironmentDefinition.__struct_fields__


class InvalidDefinition(Exception):
    """A file defines no environment; the text says the cause and the remedy."""

    def __init__(self, path: str, cause: str) -> None:
        super().__init__(f"{path}: {cause}")


def parse_definition(text: str) -> EnvironmentDefinition:
    """Return the environment that the file defines. Raises InvalidDefinition."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidDefinition(PATH, f"This is not TOML: {error}.") from None
    except RecursionError:
        raise InvalidDefinition(PATH, "It is nested too deeply; remove a level.") from None
    unknown = [name for name in content if name not in _FIELDS]
    if unknown:
        known = ", ".join(f"`{name}`" for name in _FIELDS)
        raise InvalidDefinition(
            PATH, f"`{unknown[0][:100]}` is not known. Remove it; known are {known}."
        )
    return checked_definition(PATH, content)


def checked_definition(path: str, content: dict[str, Any]) -> EnvironmentDefinition:
    """Return the environment that a file's values make. Raises InvalidDefinition."""
    if content.get("image") == DEFAULT_IMAGE_NAME:
        content = {**content, "image": ""}
    try:
        definition = msgspec.convert(content, EnvironmentDefinition)
    except msgspec.ValidationError as error:
        raise InvalidDefinition(path, _readable(str(error))) from None
    if invalid := invalid_values(definition):
        raise InvalidDefinition(path, " ".join(each.text for each in invalid[:3]))
    return definition


def _readable(error: str) -> str:
    """Turn msgspec's text into a sentence: "Expected `str`, got `int` - at `$.setup`"."""
    what, _, where = error.partition(" - at `$.")
    name = where.rstrip("`")
    return f"`{name}` is not as expected: {what}. Correct it." if name else f"{what}. Correct it."
