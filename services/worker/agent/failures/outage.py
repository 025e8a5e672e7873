"""Outages that end an attempt, and the words for them. Pure."""

from typing import Final, Literal

Outage = Literal[
    "gateway_unreachable", "forge_unreachable", "object_store_unreachable", "gateway_refused"
]
"""The reason why an attempt gives up. `gateway_refused`: the gateway answers, and refuses."""

_NAMES: Final[dict[Outage, str]] = {
    "gateway_unreachable": "The gateway",
    "forge_unreachable": "The forge",
    "object_store_unreachable": "The object store",
}
_SHORT_SECONDS: Final = 120


class Unreachable(Exception):
    """Something this attempt needs is away for so long that it gives up; the text says so."""

    def __init__(self, reason: Outage, detail: str) -> None:
        super().__init__(detail)
        self.reason: Outage = reason
        self.detail = detail


def describe_outage(reason: Outage, seconds: float) -> str:
    """Return a sentence for a person: who did not answer, and for how long."""
    name = _NAMES.get(reason, "The gateway")
    whole = round(seconds)
    if whole < 1:
        return f"{name} did not answer."
    lasted = f"{whole} seconds" if whole < _SHORT_SECONDS else f"{round(whole / 60)} minutes"
    return f"{name} did not answer for {'1 second' if whole == 1 else lasted}."
