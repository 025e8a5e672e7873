"""Answers about the server itself: what it offers, and its health."""

from typing import Literal

import msgspec


class ModelOffered(msgspec.Struct, frozen=True):
    """The model that answers when none is named, and the kind of its server."""

    kind: str
    name: str


class ForgeOffered(msgspec.Struct, frozen=True):
    """A forge whose repositories may be named."""

    kind: str
    url: str


class ServerInfo(msgspec.Struct, frozen=True):
    """The model, the forges and the sign-in methods that this server offers."""

    model: ModelOffered
    forges: tuple[ForgeOffered, ...]
    version: str
    sign_in_methods: tuple[str, ...] = ("code",)


class Health(msgspec.Struct, frozen=True):
    """State of the server and of each part: "ok", or what is wrong. `degraded`: it is slower."""

    status: Literal["ok", "degraded", "unavailable"]
    parts: dict[str, str]
