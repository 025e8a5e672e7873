"""Environments as files on this device: the same TOML as `.errand/environment.toml`."""

import tomllib
from pathlib import Path
from typing import Final

import msgspec

from clients.cli.errors import CliError
from events.protocol.api.environments import EnvironmentRequest

_DEFAULT_IMAGE: Final = "default"


def read_environment(path: Path) -> EnvironmentRequest:
    """Return what a file defines. Raises CliError; the gateway checks the values."""
    try:
        content = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{path} cannot be read: {error}.", "Name a TOML file.") from None
    except tomllib.TOMLDecodeError as error:
        raise CliError(f"{path} is not TOML: {error}.", "Correct the file.") from None
    if content.get("image") == _DEFAULT_IMAGE:
        del content["image"]
    try:
        return msgspec.convert(content, EnvironmentRequest)
    except msgspec.ValidationError as error:
        known = ", ".join(EnvironmentRequest.__struct_fields__)
        raise CliError(f"{path}: {error}.", f"Correct the file. Its fields are {known}.") from None
