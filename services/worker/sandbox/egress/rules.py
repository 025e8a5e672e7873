"""The decision on one connection: whether the rules allow this host on this port."""

from collections.abc import Collection
from typing import Final

from events.protocol.api.egress import DEFAULT_PORTS, EgressRules, HostAndPort, parse_host

_MAIL_PORT: Final = 25


class HostRules:
    """Rules in the form that is asked for each connection.

    `registries` are the hosts of the package managers, as the operator or this machine names them.
    An entry that is no host is left out: it allows nothing.
    """

    def __init__(self, rules: EgressRules, registries: Collection[str] = ()) -> None:
        self.policy = rules.policy
        listed = [*rules.allow, *(registries if rules.policy == "registries" else ())]
        self._allowed = frozenset(each for entry in listed for each in _expanded(entry))

    def allows(self, target: HostAndPort) -> bool:
        """Return whether a connection may be made."""
        if target in self._allowed:
            return True
        return self.policy == "open" and target.port != _MAIL_PORT


def _expanded(entry: str) -> list[HostAndPort]:
    try:
        host, port = parse_host(entry)
    except ValueError:
        return []
    return [HostAndPort(host, each) for each in ((port,) if port else DEFAULT_PORTS)]
