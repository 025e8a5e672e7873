"""Commands of a sandbox reach the hosts that are allowed, through the proxy, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address

import pytest

from events import EgressDenied
from events.protocol.api.egress import EgressRules
from services.worker.sandbox.egress.connector import Address, DirectConnector, Streams
from services.worker.sandbox.egress.proxy import EgressProxy
from tests.kit.servers.sandboxes import running_sandbox

KINDS = ["bubblewrap", pytest.param("docker", marks=pytest.mark.docker)]
PUBLIC = "192.0.2.7"


@asynccontextmanager
async def web_server() -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        body = b"seen: " + head
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def connector_to(port: int, names: dict[str, str]) -> DirectConnector:
    async def resolve(host: str, _: int) -> list[Address]:
        return [ip_address(names[host])] if host in names else []

    async def dial(address: Address, _: int) -> Streams:
        assert str(address) == PUBLIC
        return await asyncio.open_connection("127.0.0.1", port)

    return DirectConnector(resolve, dial)


GET = """
import sys, urllib.request, urllib.error
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
"""
TUNNEL = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", 61080, timeout=20)
host, port = sys.argv[1].split(":")
connection.set_tunnel(host, int(port))
try:
    connection.request("GET", "/inside")
    print(connection.getresponse().read().decode())
except OSError as error:
    print(error)
"""


@pytest.mark.parametrize("kind", KINDS)
async def test_an_allowed_host_is_reached_and_a_denied_one_is_counted(kind):
    async with web_server() as port:
        proxy = EgressProxy(
            EgressRules(allow=("files.example",)),
            connect=connector_to(port, {"files.example": PUBLIC, "other.example": PUBLIC}),
        )
        async with running_sandbox(kind, egress=proxy) as sandbox:

            async def run(script: str, argument: str) -> str:
                ended = await sandbox.execute(
                    ("python3", "-c", script, argument), timeout_seconds=30
                )
                return ended.output.decode()

            assert "GET /page HTTP/1.1" in await run(GET, "http://files.example/page")
            assert "GET /inside HTTP/1.1" in await run(TUNNEL, "files.example:443")
            assert "403 Errand: This task" in await run(GET, "http://other.example/page")
            assert "403" in await run(TUNNEL, "other.example:443")
            assert await proxy.next_denials() == [
                EgressDenied(host="other.example", port=80, count=1),
                EgressDenied(host="other.example", port=443, count=1),
            ]
            proxy.set_rules(EgressRules(policy="open"))
            assert "GET /page" in await run(GET, "http://other.example/page")
