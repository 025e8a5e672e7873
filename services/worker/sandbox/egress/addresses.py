"""Addresses that no command may reach, whatever name leads there.

An explicit list, because the flags of `ipaddress` answer another question: `is_private` differs
between Python's releases and counts ranges that are merely reserved for documents.
Sources: RFC 6890 and its registries; RFC 6598; the metadata services of the clouds.
"""

import ipaddress
from ipaddress import IPv4Address, IPv6Address
from typing import Final

Address = IPv4Address | IPv6Address

_IPV4: Final = {
    "0.0.0.0/8": "an address of this machine",
    "10.0.0.0/8": "a private address",
    "100.64.0.0/10": "a private address",  # shared by a provider's customers; metadata of one cloud
    "127.0.0.0/8": "an address of this machine",
    "168.63.129.16/32": "a metadata address",
    "169.254.0.0/16": "a link-local or metadata address",
    "172.16.0.0/12": "a private address",
    "192.0.0.0/24": "a reserved address",
    "192.88.99.0/24": "a reserved address",
    "192.168.0.0/16": "a private address",
    "198.18.0.0/15": "a private address",
    "224.0.0.0/4": "a multicast address",
    "240.0.0.0/4": "a reserved address",
}
_REFUSED: Final = [(ipaddress.IPv4Network(net), kind) for net, kind in _IPV4.items()]

_GLOBAL: Final = ipaddress.IPv6Network("2000::/3")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_TUNNELS: Final = [
    ipaddress.IPv6Network(net)
    for net in ("2001::/32", "2002::/16")  # Teredo, 6to4
]
_IPV4_BITS: Final = 0xFFFF_FFFF


def refusal(address: Address) -> str:
    """Return what kind of address it is that may not be reached; empty when it may be."""
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        if mapped is None and address in _NAT64:
            mapped = IPv4Address(int(address) & _IPV4_BITS)
        return _ipv6_refusal(address) if mapped is None else refusal(mapped)
    return next((kind for network, kind in _REFUSED if address in network), "")


def _ipv6_refusal(address: IPv6Address) -> str:
    """Allow global addresses alone: not ULA (6PN too), link-local, site-local, multicast."""
    if address.is_loopback or address.is_unspecified:
        return "an address of this machine"
    if address not in _GLOBAL:
        return "a private address"
    return "a reserved address" if any(address in network for network in _TUNNELS) else ""
