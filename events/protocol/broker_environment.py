"""The part of the broker API that keeps environments: what a worker found, and packs of set-ups.

A pack is stored in parts; it counts once they are named together. A worker reads and writes the
packs of its own task's account and repository alone.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from events.worker import EnvironmentDefinition, EnvironmentSource

ENVIRONMENT_PATH: Final = "environment"
"""Below BROKER_PATH: POST here looks up, `/<key>/<number>` is a part, POST `/<key>` names them."""

PART_BYTES: Final = 16 * 1024 * 1024
MAX_PARTS: Final = 256
MAX_PACK_BYTES: Final = PART_BYTES * MAX_PARTS

Key = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class PackPart(msgspec.Struct, frozen=True):
    """One part of a pack; its number is its place."""

    size_bytes: Annotated[int, Meta(ge=1, le=PART_BYTES)]
    sha256: Key


Parts = Annotated[tuple[PackPart, ...], Meta(min_length=1, max_length=MAX_PARTS)]


class EnvironmentRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Environment that a worker found; with a `key`, the question if there is a pack for it."""

    source: EnvironmentSource
    reason: Annotated[str, Meta(max_length=1000)]
    definition: EnvironmentDefinition
    key: Key | None = None


class EnvironmentResponse(msgspec.Struct, frozen=True):
    """The parts of the pack, in order; empty where there is none."""

    parts: tuple[PackPart, ...] = ()


class PackRequest(msgspec.Struct, frozen=True):
    """The parts that a pack has, in order; each was stored before."""

    parts: Parts
