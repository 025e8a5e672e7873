"""Denied connections, counted per host: the report is bounded, whatever commands do."""

from typing import Final, Literal

from events import EgressDenied
from events.protocol.api.egress import EgressPhase, HostAndPort

DenialReason = Literal["rules", "address"]
_Key = tuple[HostAndPort, DenialReason, EgressPhase]

QUIET_SECONDS: Final = 60.0
"""Time between two reports of one host."""
MAX_HOSTS_PER_REPORT: Final = 32
MAX_HOSTS_REPORTED: Final = 500
_OTHER_HOSTS: Final = HostAndPort("", 0)


class DenialCounter:
    """Counts denials until they are due for a report: at once, and then once per minute and host.

    Beyond 32 hosts at a time, and 500 in all, hosts are counted together.
    """

    def __init__(self) -> None:
        self._counts: dict[_Key, int] = {}
        self._reported: dict[_Key, float] = {}

    def add(self, target: HostAndPort, reason: DenialReason, phase: EgressPhase) -> None:
        """Count one."""
        key: _Key = (target, reason, phase)
        is_new = key not in self._counts
        is_known = key in self._reported
        if is_new and (
            len(self._counts) >= MAX_HOSTS_PER_REPORT
            or (not is_known and len(self._reported) >= MAX_HOSTS_REPORTED)
        ):
            key = (_OTHER_HOSTS, "rules", phase)
        self._counts[key] = self._counts.get(key, 0) + 1

    def take(self, now: float) -> list[EgressDenied]:
        """Return what is due at a time (in seconds of any clock), in the order of the denials."""
        due = [key for key in self._counts if self._due_at(key) <= now]
        self._reported |= dict.fromkeys(due, now)
        return [
            EgressDenied(
                host=target.host,
                port=target.port,
                count=self._counts.pop((target, reason, phase)),
                reason=reason,
                phase=phase,
            )
            for target, reason, phase in due
        ]

    def next_due(self) -> float | None:
        """Return when something is due next; None while nothing was denied."""
        return min(map(self._due_at, self._counts), default=None)

    def _due_at(self, key: _Key) -> float:
        reported = self._reported.get(key)
        return 0.0 if reported is None else reported + QUIET_SECONDS
