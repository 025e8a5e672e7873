"""Tricks with the proxy: none reaches a host that the rules do not allow, or an address inside."""

import asyncio
from contextlib import suppress
from ipaddress import ip_address

import pytest

from events import EgressDenied
from events.protocol.api.egress import EgressRules, HostAndPort
from services.worker.sandbox.egress.connector import (
    AddressRefused,
    DirectConnector,
    Unreachable,
    dial_address,
)
from services.worker.sandbox.egress.proxy import EgressLimits
from tests.kit.servers.egress import PUBLIC, Echo, listening, running_proxy

NAMES = {
    "files.example": [PUBLIC],
    "other.example": [PUBLIC],
    "local.example": ["127.0.0.1"],
    "mapped.example": ["::ffff:169.254.169.254"],
    "mixed.example": ["10.0.0.1", PUBLIC],
    "ula.example": ["fdaa::3"],
}
ALLOWED = EgressRules(allow=tuple(each for each in NAMES if each != "other.example"))


async def ask(port: int, request: bytes) -> bytes:
    """Send raw bytes to the proxy and return all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = b""
    with suppress(ConnectionError):  # of what it was not willing to read
        async with asyncio.timeout(20):
            while chunk := await reader.read(65536):
                answer += chunk
    writer.close()
    return answer


def tunnel(authority: str, host: str = "") -> bytes:
    return f"CONNECT {authority} HTTP/1.1\r\nHost: {host or authority}\r\n\r\n".encode()


def get(url: str, *more: str, host: str = "x") -> bytes:
    lines = [f"GET {url} HTTP/1.1", f"Host: {host}", "Connection: close", *more, "", ""]
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize(
    "request_bytes",
    [
        tunnel("other.example:443"),
        tunnel("other.example:443", host="files.example:443"),
        tunnel("files.example:22"),
        tunnel(f"{PUBLIC}:443"),
        tunnel("x.files.example:443"),
        get("http://other.example/", host="files.example"),
        get("http://files.example:8080/"),
        get("http://other.example:80/", "X-Forwarded-Host: files.example", host="files.example"),
    ],
    ids=range(8),
)
async def test_a_host_that_is_not_allowed_is_denied_and_counted(request_bytes):
    async with running_proxy(ALLOWED, NAMES) as (proxy, port, server):
        assert (await ask(port, request_bytes)).startswith(b"HTTP/1.1 403 ")
        [denied] = await proxy.next_denials()
        assert (denied.count, denied.reason) == (1, "rules")
        assert server.connections == 0


@pytest.mark.parametrize("name", ["local.example", "mapped.example", "ula.example"])
async def test_an_allowed_name_that_leads_inside_is_denied(name):
    async with running_proxy(ALLOWED, NAMES) as (proxy, port, server):
        answer = await ask(port, tunnel(f"{name}:443"))
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert b"no task may reach" in answer
        assert await proxy.next_denials() == [
            EgressDenied(host=name, port=443, count=1, reason="address")
        ]
        assert server.connections == 0


async def test_of_a_name_with_both_only_public_addresses_are_dialled():
    async with running_proxy(ALLOWED, NAMES) as (_, port, server):
        assert b"GET / HTTP/1.1" in await ask(port, get("http://mixed.example/"))
        assert server.dialled == [PUBLIC]


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "[::1]", "10.0.0.1", "169.254.169.254", "[fdaa::3]", "[::ffff:127.0.0.1]"],
)
async def test_no_rule_reaches_an_address_inside(address):
    rules = EgressRules(policy="open", allow=(f"{address}:80", f"{address}:443"))
    async with running_proxy(rules, NAMES) as (_, port, server):
        assert (await ask(port, tunnel(f"{address}:443"))).startswith(b"HTTP/1.1 403 ")
        assert (await ask(port, get(f"http://{address}/"))).startswith(b"HTTP/1.1 403 ")
        assert server.connections == 0


@pytest.mark.parametrize(
    "request_bytes",
    [
        *(tunnel(f"{host}:443") for host in ("2130706433", "0177.0.0.1", "0x7f.1", "127.1")),
        *(tunnel(f"{host}:443") for host in ("a b", "")),
        tunnel("user@files.example:443"),
        tunnel("files.example"),
        tunnel("files.example:443:443"),
        tunnel("files.example%00.other.example:443"),
        get("http://user:password@files.example/"),
        get("http://other.example@files.example/"),
        get("http://files.example\\@other.example/"),
        get("http://files.example#@other.example/"),
        get("https://files.example/"),
        get("ftp://files.example/"),
        get("/page", host="files.example"),
        get("//files.example/page"),
        b"GET http://files.example/ HTTP/1.1\r\n\r\n",
        b"GET http://files.example/\r\nX: y HTTP/1.1\r\nHost: a\r\n\r\n",
        get("http://files.example/", "Content-Length: 3", "Transfer-Encoding: chunked"),
        get("http://files.example/", "Content-Length: 3", "Content-Length: 4"),
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100,
        b"GET http://files.example/ HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"X" * 100_000,
    ],
    ids=range(26),
)
async def test_what_could_be_read_in_two_ways_is_refused(request_bytes):
    async with running_proxy(ALLOWED, NAMES) as (_, port, server):
        answer = await ask(port, request_bytes)
        assert answer[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 431")
        assert server.connections == 0


async def test_a_plain_request_goes_on_with_the_host_of_its_url_and_without_the_proxys_headers():
    async with running_proxy(ALLOWED, NAMES) as (_, port, _server):
        request = get(
            "http://files.example/page?q=1", "Proxy-Authorization: Basic x", "Upgrade: h2c",
            "Proxy-Connection: keep-alive", "X-Kept: yes", "Accept: */*", host="other.example",
        )  # fmt: skip
        seen = (await ask(port, request)).split(b"\r\n\r\n", 1)[1].lower()
    assert seen.startswith(b"get /page?q=1 http/1.1\r\n")
    assert b"host: files.example\r\n" in seen
    assert b"x-kept: yes" in seen
    for gone in (b"other.example", b"proxy-", b"upgrade", b"basic"):
        assert gone not in seen


async def test_a_long_body_that_comes_with_its_head_is_no_long_head():
    async with running_proxy(ALLOWED, NAMES) as (_, port, server):
        post = get("http://files.example/", "Content-Length: 60000").replace(b"GET", b"POST")
        assert (await ask(port, post + b"x" * 60_000)).startswith(b"HTTP/1.1 200 ")
        assert server.connections == 1


async def test_a_second_request_on_the_same_connection_is_not_smuggled_past_the_rules():
    async with running_proxy(ALLOWED, NAMES) as (_, port, server):
        both = get("http://files.example/") + get("http://other.example/secret")
        answer = await ask(port, both.replace(b"Connection: close\r\n", b""))
        assert b"/secret" not in answer
        assert server.connections == 1


async def test_bytes_behind_the_head_of_a_tunnel_reach_the_host_and_come_back():
    async with running_proxy(ALLOWED, NAMES, server=Echo()) as (_, port, _server):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(tunnel("files.example:443") + b"early")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert await reader.readexactly(5) == b"early"
        writer.write(b"late" * 50_000)
        writer.write_eof()
        assert await reader.read() == b"late" * 50_000
        writer.close()


async def test_a_tunnel_ends_when_its_host_is_allowed_no_more():
    async with running_proxy(ALLOWED, NAMES, server=Echo()) as (proxy, port, _server):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(tunnel("files.example:443"))
        await reader.readuntil(b"\r\n\r\n")
        proxy.set_rules(EgressRules())
        with suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()


async def test_who_sends_no_request_is_sent_away():
    limits = EgressLimits(head_seconds=0.2)
    async with running_proxy(ALLOWED, NAMES, limits=limits) as (_, port, _server):
        assert (await ask(port, b"GET http://files.example/ HTTP/1.1\r\nHos")).startswith(
            b"HTTP/1.1 408 "
        )


async def test_a_silent_tunnel_is_closed():
    limits = EgressLimits(idle_seconds=0.2)
    async with running_proxy(ALLOWED, NAMES, limits=limits, server=Echo()) as (_, port, _s):
        assert (await ask(port, tunnel("files.example:443"))).startswith(b"HTTP/1.1 200 ")


async def test_connections_at_once_are_limited():
    async with running_proxy(ALLOWED, NAMES, limits=EgressLimits(connections=1), server=Echo()) as (
        _,
        port,
        _s,
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(tunnel("files.example:443"))
        await reader.readuntil(b"\r\n\r\n")
        assert (await ask(port, tunnel("files.example:443"))).startswith(b"HTTP/1.1 503 ")
        writer.close()


async def test_the_bytes_of_an_attempt_are_limited():
    limits = EgressLimits(total_bytes=100_000)
    async with running_proxy(ALLOWED, NAMES, limits=limits, server=Echo()) as (_, port, _s):
        answer = await ask(port, tunnel("files.example:443") + b"x" * 500_000)
        assert len(answer) < 400_000
        assert b"as many bytes as it may" in await ask(port, tunnel("files.example:443"))


async def test_a_connection_that_ends_at_this_machine_is_refused_whatever_its_address():
    async with listening(Echo()) as port:
        with pytest.raises(AddressRefused):
            await dial_address(ip_address("127.0.0.1"), port)


async def test_a_name_that_cannot_be_resolved_is_no_denial():
    async def unknown(host: str, port: int):
        raise OSError("Name or service not known")

    with pytest.raises(Unreachable, match="cannot be resolved"):
        await DirectConnector(unknown)(HostAndPort("files.example", 443))
