"""Denied connections, counted per host: the report is bounded, whatever commands do."""

from typing import Final, Literal

import msgspec

from events.protocol.api.egress import HostAndPort

MAX_HOSTS_HELD: Final = 32
DenialReason = Literal["rules", "address"]
OTHER_HOSTS: Final = HostAndPort("", 0)


class Denial(msgspec.Struct, frozen=True, kw_only=True):
    """So many connections to a host that were denied.

    `reason` is `rules` (a person can allow the host) or `address` (its name leads to an address
    that no command may reach). `host` is empty for all beyond the first 32 hosts.
    """

    host: str
    port: int
    count: int
    reason: DenialReason = "rules"


class DenialCounter:
    """Counts denials until they are taken."""

    def __init__(self) -> None:
        self._counts: dict[tuple[HostAndPort, DenialReason], int] = {}

    def add(self, target: HostAndPort, reason: DenialReason) -> None:
        """Count one."""
        key: tuple[HostAndPort, DenialReason] = (target, reason)
        if key not in self._counts and len(self._counts) >= MAX_HOSTS_HELD:
            key = (OTHER_HOSTS, "rules")
        self._counts[key] = self._counts.get(key, 0) + 1

    def take(self) -> list[Denial]:
        """Return what was counted since the last time, in the order of the first denials."""
        counts, self._counts = self._counts, {}
        return [
            Denial(host=target.host, port=target.port, count=count, reason=reason)
            for (target, reason), count in counts.items()
        ]
