"""A machine as the Machines API returns it, and the request that creates it. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from events import Guest, MachineId

_Json = dict[str, Any]


class MachineEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a machine, at Unix milliseconds; `status` is the state after."""

    type: str
    status: str
    timestamp: int
    request: _Json = {}


class MachineConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a machine's configuration that the scheduler reads."""

    metadata: dict[str, str] = {}


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """A machine as the API returns it. `config` is absent while its host is out of reach."""

    id: MachineId
    name: str
    state: str
    region: str
    instance_id: str = ""
    config: MachineConfig = MachineConfig()
    events: tuple[MachineEvent, ...] = ()


class MachineSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The machine to create. Its name identifies the attempt; so does its metadata."""

    name: str
    region: str
    image: str
    guest: Guest
    env: Mapping[str, str]
    metadata: Mapping[str, str]
    stop_seconds: int = 30

    @property
    def identity(self) -> dict[str, str]:
        """The metadata by which the attempt's machine is known again; its deadline may change."""
        return {key: text for key, text in self.metadata.items() if key != "deadline"}

    def body(self) -> _Json:
        """Return the body of the create request."""
        return {
            "name": self.name,
            "region": self.region,
            "skip_service_registration": True,
            "config": {
                "image": self.image,
                "env": dict(self.env),
                "metadata": dict(self.metadata),
                "auto_destroy": True,
                "restart": {"policy": "no"},
                "guest": msgspec.to_builtins(self.guest),
                "stop_config": {"signal": "SIGTERM", "timeout": f"{self.stop_seconds}s"},
            },
        }


def billed_seconds(events: Sequence[MachineEvent]) -> float:
    """Sum the time a machine was `started`, from its events in any order.

    Fly bills a machine by the second while it is started; one that has not ended yet counts to its
    newest event.
    """
    total_ms = 0
    since: int | None = None
    at = 0
    for event in sorted(events, key=lambda each: each.timestamp):
        at = event.timestamp
        if event.status == "started":
            since = at if since is None else since
        elif since is not None:
            total_ms, since = total_ms + at - since, None
    if since is not None:
        total_ms += at - since
    return total_ms / 1000


def ending(events: Sequence[MachineEvent]) -> str:
    """Return how a machine's process ended, from its events; empty when that is unknown."""
    exits = [event for event in events if event.type == "exit"]
    if not exits:
        return ""
    request = max(exits, key=lambda event: event.timestamp).request
    seen = request.get("exit_event") or request.get("MonitorEvent", {}).get("exit_event", {})
    words = f"exit code {seen.get('exit_code', 'unknown')}"
    if seen.get("signal", -1) > 0:
        words += f", signal {seen['signal']}"
    if seen.get("oom_killed"):
        words += ", out of memory"
    return f"{words}; {seen['error']}" if seen.get("error") else words
