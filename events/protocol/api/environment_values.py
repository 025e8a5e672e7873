"""Checks of an environment's values, wherever the definition comes from. Pure.

The gateway checks with it what people set, the worker what stands in a repository.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from events.protocol.api.egress import parse_host
from events.worker import MAX_ENVIRONMENT_ENTRIES, EnvironmentDefinition

MAX_SCRIPT_CHARACTERS: Final = 16_000
MIN_TIMEOUT_SECONDS: Final = 10
MAX_TIMEOUT_SECONDS: Final = 3600
MAX_VARIABLES_CHARACTERS: Final = 16_000
MAX_VALUE_CHARACTERS: Final = 4000

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_RESERVED: Final = re.compile(
    r"(?i:(https?|all|no|ftp)_proxy)|BASH.*|IFS|LD_.*|HOME|USER|SHELL|WORKSPACE|PWD|ENV|PS4"
    r"|SHELLOPTS|GIT_.*"
)
_PATH: Final = re.compile(r"(~/)?[^/~\x00-\x1f\x7f][^\x00-\x1f\x7f]*")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_IMAGE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}")


class InvalidValue(NamedTuple):
    """A value that is not allowed: where it stands (`/env/HOME`), and the cause and remedy."""

    pointer: str
    text: str


def invalid_values(definition: EnvironmentDefinition) -> list[InvalidValue]:
    """Return what is wrong with a definition; nothing when it may be used."""
    return [
        *_scripts(definition),
        *_variables(definition.env),
        *_hosts(definition.allow),
        *_paths(definition.cache_paths),
        *_timeout(definition.timeout_seconds),
        *_image(definition.image),
    ]


def _scripts(definition: EnvironmentDefinition) -> Iterator[InvalidValue]:
    for name in ("setup", "start"):
        text = getattr(definition, name)
        if len(text) > MAX_SCRIPT_CHARACTERS:
            yield InvalidValue(
                f"/{name}",
                f"`{name}` has {len(text):,} characters; at most {MAX_SCRIPT_CHARACTERS:,} are "
                "taken. Put it into a script of the repository and name that here.",
            )
        if _CONTROL.search(text):
            yield InvalidValue(
                f"/{name}", f"`{name}` holds control characters (such as NUL); remove them."
            )


def _variables(variables: dict[str, str]) -> Iterator[InvalidValue]:
    if len(variables) > MAX_ENVIRONMENT_ENTRIES:
        yield InvalidValue(
            "/env", f"`env` has more than {MAX_ENVIRONMENT_ENTRIES} variables; remove some."
        )
    if sum(map(len, variables.values())) > MAX_VARIABLES_CHARACTERS:
        yield InvalidValue(
            "/env",
            f"The values of `env` have more than {MAX_VARIABLES_CHARACTERS:,} characters together; "
            "put long ones into a file.",
        )
    for name, value in variables.items():
        pointer = f"/env/{name[:100]}"
        if not _VARIABLE.fullmatch(name):
            yield InvalidValue(
                pointer,
                "The name of a variable has letters, digits and _ and begins with no digit.",
            )
        elif _RESERVED.fullmatch(name):
            yield InvalidValue(
                pointer, f"{name} is set by Errand itself; leave it out, or set it in `setup`."
            )
        if "\0" in value or len(value) > MAX_VALUE_CHARACTERS:
            yield InvalidValue(
                pointer,
                f"A value has at most {MAX_VALUE_CHARACTERS:,} characters, and none is NUL.",
            )


def _hosts(hosts: tuple[str, ...]) -> Iterator[InvalidValue]:
    if len(hosts) > MAX_ENVIRONMENT_ENTRIES:
        yield InvalidValue(
            "/allow", f"`allow` has more than {MAX_ENVIRONMENT_ENTRIES} hosts; remove some."
        )
    for place, host in enumerate(hosts):
        try:
            parse_host(host)
        except ValueError as error:
            yield InvalidValue(f"/allow/{place}", f"{error} Write no scheme, path or `*`.")


def _paths(paths: tuple[str, ...]) -> Iterator[InvalidValue]:
    if len(paths) > MAX_ENVIRONMENT_ENTRIES:
        yield InvalidValue(
            "/cache_paths",
            f"`cache_paths` has more than {MAX_ENVIRONMENT_ENTRIES} paths; remove some.",
        )
    for place, path in enumerate(paths):
        if not _PATH.fullmatch(path) or ".." in path.split("/") or path.startswith(".git/"):
            yield InvalidValue(
                f"/cache_paths/{place}",
                f"{path[:100]!r} is not a path that can be kept: write one below the repository "
                "(`node_modules`) or the home directory (`~/.cache/pip`), without `..`.",
            )


def _timeout(seconds: int) -> Iterator[InvalidValue]:
    if not MIN_TIMEOUT_SECONDS <= seconds <= MAX_TIMEOUT_SECONDS:
        yield InvalidValue(
            "/timeout_seconds",
            f"`timeout_seconds` must be from {MIN_TIMEOUT_SECONDS} to {MAX_TIMEOUT_SECONDS:,}.",
        )


def _image(image: str) -> Iterator[InvalidValue]:
    if image and not _IMAGE.fullmatch(image):
        yield InvalidValue(
            "/image", "`image` is not an image's name, such as `default` or `python:3.12`."
        )
