"""Keys by which requests and connections are counted: their kind, and their caller's network."""

from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final, Literal

Kind = Literal["reads", "commands", "anonymous"]

_IPV6_PREFIX: Final = 64


def client_network(address: str) -> str:
    """Name the network that counts as one caller: an IPv4 address, or 64 bits of an IPv6 one.

    One household, or one rented machine, has as many IPv6 addresses as it likes.
    """
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(IPv6Network((found, _IPV6_PREFIX), strict=False))
