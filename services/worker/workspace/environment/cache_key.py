"""Key of an environment in the cache: what its set-up depends on. Pure."""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Final, NamedTuple

import msgspec

from events import EnvironmentDefinition
from services.worker.workspace.environment.managers import MARKERS

_FORMAT: Final = 1
"""Raised when what is packed, or how, changes: older packs are then misses."""

_WORD: Final = re.compile(r"[A-Za-z0-9_./@+-]+")


class Toolchain(NamedTuple):
    """Surroundings of a set-up: the sandbox, its image or machine, the architecture."""

    sandbox: str
    image: str
    architecture: str


def cache_key(
    toolchain: Toolchain, definition: EnvironmentDefinition, files: Mapping[str, str], *, base: str
) -> str:
    """Return the key: SHA-256 of all that set-up depends on, in hexadecimal.

    `files` are the workspace's files by path, each with its git object id: of the lock files and
    manifests, and of files that the script names, the contents count. `base` is the branch: what a
    branch's own files did during set-up is not restored on another one.
    """
    named = frozenset(word.removeprefix("./") for word in _WORD.findall(definition.setup))
    wanted = sorted((path, oid) for path, oid in files.items() if path in named or is_input(path))
    depends = (_FORMAT, toolchain, base, definition, wanted)
    return sha256(msgspec.json.encode(depends, order="sorted")).hexdigest()


def is_input(path: str) -> bool:
    """Return whether every set-up may depend on a file: one of package managers, or of its own."""
    name = path.rpartition("/")[2]
    return name in MARKERS or path.startswith((".devcontainer/", ".errand/"))
