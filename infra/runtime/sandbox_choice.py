"""The sandbox `auto` means on a machine: one rule, for the worker and for whoever announces it.

What is missing for Docker, and the platform, are arguments.
"""

from typing import Final, Literal

import msgspec

SandboxKind = Literal["auto", "docker", "bubblewrap", "none"]

DEFAULT_IMAGE: Final = "errand-sandbox:local"


class SandboxChoice(msgspec.Struct, frozen=True):
    """The sandbox used; empty when there is none. `reason` says why not Docker, if it is not."""

    kind: Literal["docker", "bubblewrap", "none", ""]
    reason: str = ""


def choose_sandbox(kind: SandboxKind, *, missing: str, platform: str) -> SandboxChoice:
    """Return the sandbox asked for by name, or for `auto` the strongest this machine has.

    `missing` says what Docker lacks here; empty when an engine answers and has the image.
    """
    if kind != "auto":
        return SandboxChoice(kind)
    if not missing:
        return SandboxChoice("docker")
    return SandboxChoice("bubblewrap" if platform == "linux" else "", missing)
