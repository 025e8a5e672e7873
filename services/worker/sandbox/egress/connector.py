"""Connections to hosts outside: a name is resolved here, once, and only its addresses are dialled.

A host whose every address may not be reached (`addresses`) is denied. So is a connection that ends
at this machine itself under whatever address: its two ends then are the same address.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

from events.protocol.api.egress import HostAndPort
from services.worker.sandbox.egress.addresses import Address, refusal

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[HostAndPort], Awaitable[Streams]]
Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]
Dial = Callable[[Address, int], Awaitable[Streams]]

_RESOLVE_SECONDS: Final = 15.0
_DIAL_SECONDS: Final = 10.0
_MAX_ADDRESSES: Final = 4


class AddressRefused(Exception):
    """The host's addresses are none that a command may reach; the text is for people."""


class Unreachable(Exception):
    """The host is allowed, and cannot be reached now; the text is for people."""


class DirectConnector:
    """Connects to a host by its addresses."""

    def __init__(self, resolve: Resolve | None = None, dial: Dial | None = None) -> None:
        self._resolve = resolve or resolve_name
        self._dial = dial or dial_address

    async def __call__(self, target: HostAndPort) -> Streams:
        """Return an open connection. Raises AddressRefused, Unreachable."""
        addresses = await self._addresses(target)
        refusals = [refusal(address) for address in addresses]
        allowed = [each for each, kind in zip(addresses, refusals, strict=True) if not kind]
        if not allowed:
            raise AddressRefused(f"{target.host} is {refusals[0]}, which no task may reach.")
        reason = ""
        for address in allowed[:_MAX_ADDRESSES]:
            try:
                async with asyncio.timeout(_DIAL_SECONDS):
                    return await self._dial(address, target.port)
            except TimeoutError:
                reason = f"it did not answer within {_DIAL_SECONDS:g} s"
            except OSError as error:
                reason = error.strerror or str(error)
        raise Unreachable(f"{target} cannot be reached: {reason}.")

    async def _addresses(self, target: HostAndPort) -> Sequence[Address]:
        with suppress(ValueError):
            return [ip_address(target.host)]
        try:
            async with asyncio.timeout(_RESOLVE_SECONDS):
                found = await self._resolve(target.host, target.port)
        except (OSError, TimeoutError, UnicodeError) as error:
            raise Unreachable(f"The name {target.host} cannot be resolved: {error}.") from None
        if not found:
            raise Unreachable(f"The name {target.host} has no address.")
        return found


async def resolve_name(host: str, port: int) -> Sequence[Address]:
    """Ask this machine's resolver. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(each[4][0]) for each in found]


async def dial_address(address: Address, port: int) -> Streams:
    """Open a TCP connection. Raises OSError, AddressRefused when it ends at this machine itself."""
    reader, writer = await asyncio.open_connection(str(address), port)
    here, there = writer.get_extra_info("sockname"), writer.get_extra_info("peername")
    if here is None or there is None or here[0] == there[0]:
        writer.transport.abort()
        raise AddressRefused(f"{address} is an address of this machine, which no task may reach.")
    return reader, writer
