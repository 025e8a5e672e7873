"""Egress: which hosts the commands of a task may reach, and how a host is written.

A host is compared exactly, in its canonical form: lower case, ASCII (IDNA), no trailing dot.
"""

import ipaddress
import re
from typing import Final, Literal, NamedTuple

import idna
import msgspec

EgressPolicy = Literal["off", "registries", "open"]
"""`off`: no host; `registries`: those of the package managers; `open`: every public host.

The hosts of `allow` are allowed under each.
"""

EgressPhase = Literal["setup", "agent"]
"""The phase of an attempt whose commands run: its set-up, or the agent's work."""

DEFAULT_PORTS: Final = (443, 80)
"""Ports that an entry of `allow` without one means."""
MAX_HOSTS: Final = 100
MAX_HOST_LENGTH: Final = 253
MAX_PORT: Final = 65535

_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORT: Final = re.compile(r"[0-9]{1,5}", re.ASCII)


class EgressRules(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Rules on the hosts of a task. An entry of `allow` is `host` or `host:port`."""

    policy: EgressPolicy = "off"
    allow: tuple[str, ...] = ()


class HostAndPort(NamedTuple):
    """A host in its canonical form, and a port; 0 where none was written."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host


def parse_host(text: str) -> HostAndPort:
    """Read `host`, `host:port` or `[IPv6]:port`.

    Raises ValueError, with a sentence for people, on anything else: a URL, a user name, a number
    that some programs read as an address (2130706433, 0x7f.1, 0177.0.0.1).
    """
    if text.startswith("["):
        literal, closed, rest = text[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise ValueError(f"{text!r} is no host: an IPv6 address is written [address]:port.")
        return HostAndPort(_ipv6(literal), _port(rest[1:]) if rest else 0)
    host, colon, port = text.partition(":")
    return HostAndPort(_canonical_name(host), _port(port) if colon else 0)


def _ipv6(text: str) -> str:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        raise ValueError(f"{text!r} is no IPv6 address.") from None
    if address.scope_id is not None:
        raise ValueError(f"{text!r} is an address of one link, which no task may reach.")
    return str(address)


def _canonical_name(text: str) -> str:
    name = text.lower().removesuffix(".") if text.isascii() else _ascii_name(text)
    labels = name.split(".")
    if len(name) > MAX_HOST_LENGTH or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"{text[:80]!r} is no host name, such as example.com or example.com:8443.")
    if not _NUMBER.fullmatch(labels[-1]):
        return name
    try:
        return str(ipaddress.IPv4Address(name))  # refuses leading zeros and other notations
    except ValueError:
        raise ValueError(f"{text!r} is no IPv4 address in its usual notation.") from None


def _ascii_name(text: str) -> str:
    try:
        return idna.encode(text, uts46=True).decode().removesuffix(".")
    except (idna.IDNAError, UnicodeError):
        raise ValueError(f"{text[:80]!r} is no host name.") from None


def _port(text: str) -> int:
    if not _PORT.fullmatch(text) or not 0 < int(text) <= MAX_PORT:
        raise ValueError(f"{text[:20]!r} is no port, a number from 1 to {MAX_PORT}.")
    return int(text)
