"""Errors of the Machines API when a machine is requested: reasons and remedies. Pure.

Capacity arrives under four statuses, so the text decides; a `status` code in the body is trusted
over it. Source: refusals observed on Fly and in the clients that talk to it.
"""

from typing import Literal

import msgspec

Reason = Literal["no_capacity", "quota_exceeded", "unauthorized", "refused"]

_CAPACITY = (
    "insufficient_capacity",
    "volume_placement_capacity",
    "no capacity",
    "could not reserve resource",
    "insufficient resources",
    "insufficient ip",
    "could not find a candidate host",
)
_QUOTA = ("allowed quota",)
_REMEDIES: dict[Reason, str] = {
    "no_capacity": "Allow more regions (FLY_REGIONS) or a smaller machine (MACHINE_CPUS, "
    "MACHINE_MEMORY_MB), or submit the task again later.",
    "quota_exceeded": "Raise the organisation's quota with the provider, or allow other regions "
    "(FLY_REGIONS).",
    "unauthorized": "Give the scheduler a valid FLY_API_TOKEN for the app FLY_APP.",
    "refused": "The machine's configuration is at fault: check FLY_APP, FLY_REGIONS, WORKER_IMAGE "
    "and the MACHINE_* settings of the scheduler.",
}


class MachineNotCreated(msgspec.Struct, frozen=True):
    """The certain absence of a machine: a stable reason and the API's own text."""

    reason: Reason
    detail: str


def no_machine(status: int, text: str) -> MachineNotCreated:
    """Return the reason of a refusal to create a machine."""
    words = text.lower()
    if any(sign in words for sign in _CAPACITY):
        return MachineNotCreated("no_capacity", text)
    if any(sign in words for sign in _QUOTA):
        return MachineNotCreated("quota_exceeded", text)
    if status in (401, 403):
        return MachineNotCreated("unauthorized", text)
    return MachineNotCreated("refused", text)


def remedy_of(reason: str) -> str:
    """Return what a person can do about a reason."""
    return next((text for known, text in _REMEDIES.items() if known == reason), "")


_OUTAGES = {
    "object_store_unreachable": "the object store (S3_ENDPOINT_URL of the broker)",
    "forge_unreachable": "the forge, and the broker's way to it",
    "gateway_unreachable": "the broker, and the workers' way to it (GATEWAY_URL)",
}


def outage_remedy_of(reason: str) -> str:
    """Return what a person can do when something that attempts need stayed unavailable."""
    what = _OUTAGES.get(reason, "what the attempts say is away")
    return (
        f"Check {what}; the broker's /health/ready names what is away. Once it is back, send an "
        "instruction: the task goes on from its last snapshot."
    )


def lost_remedy_of(why: str) -> str:
    """Return what a person can do when the workers of a task kept ending."""
    if "out of memory" in why:
        return (
            "Give the machine more memory (MACHINE_MEMORY_MB of the scheduler), then send an "
            "instruction to try again."
        )
    return "Look into the machine's log, then send an instruction to try again."
