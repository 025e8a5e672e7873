"""Clients that open connections and say nothing, or say it slowly, byte by byte over sockets."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import websockets

from tests.kit.run.gateway import a_world

HEAD = b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
SHORT = {"head_seconds": 0.5, "body_seconds": 0.5, "body_bytes_per_second": 20}


@asynccontextmanager
async def connection(world):
    reader, writer = await asyncio.open_connection("127.0.0.1", int(world.url.rpartition(":")[2]))
    try:
        yield reader, writer
    finally:
        writer.close()


async def end_of(reader):
    """Return all that comes until the other side closes."""
    async with asyncio.timeout(30):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


@pytest.fixture
async def hasty(servers, fresh_database):
    """A gateway with limits so short that a test can wait for them."""
    async with a_world(servers, fresh_database, **SHORT) as world:
        yield world


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", b""),
        (b"\r\n\r\n", b"408"),
        (b"GET /health/live HT", b"408"),
        (HEAD + b"X-Half: he", b"408"),
        (HEAD + b"Content-Length: 99\r\n\r\n", b"400"),
        (HEAD + b"Content-Length: 99\r\n\r\n{", b"400"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", b"400"),
        (HEAD + b"X-Long: " + b"x" * 300_000, b"431"),
        (b"GET /" + b"x" * 300_000, b"431"),
    ],
)
async def test_who_says_half_of_it_and_waits_is_cut(hasty, sent, status):
    async with connection(hasty) as (reader, writer):
        writer.write(sent)
        answer = await end_of(reader)
    assert answer[9:12] == status
    assert not status or b"problem+json" in answer


async def test_a_byte_now_and_then_does_not_help(hasty):
    async def drip(first, *, more):
        async with connection(hasty) as (reader, writer), asyncio.TaskGroup() as group:
            ending = group.create_task(end_of(reader))
            writer.write(first)
            while not ending.done():
                writer.write(more)
                await asyncio.wait({ending}, timeout=0.1)
            return ending.result()

    head, body, after = await asyncio.gather(
        drip(HEAD + b"X: ", more=b"x"),
        drip(HEAD + b"Content-Length: 999\r\n\r\n", more=b" "),
        drip(b"GET /health/live HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n", more=b" "),
    )
    assert head[9:12] in (b"408", b"")  # a byte of ours may cross the answer
    assert body[9:12] in (b"400", b"")
    assert after[9:12] in (b"200", b"400", b"")


async def test_a_slow_upload_that_makes_progress_is_served(hasty):
    """Longer than the time limit, but faster than the least rate."""
    code = await hasty.pairing("home")
    body = b'{"code": "%s"%s}' % (code.encode(), b" " * 60)
    async with connection(hasty) as (reader, writer):
        writer.write(HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body))
        for start in range(0, len(body), 8):
            writer.write(body[start : start + 8])
            await asyncio.wait({asyncio.ensure_future(asyncio.Event().wait())}, timeout=0.15)
        answer = await end_of(reader)
    assert answer[9:12] == b"201"


async def test_an_address_has_so_many_connections_and_others_are_served(servers, fresh_database):
    limits = {"connections_per_address": 5, "trusted_proxies": "192.0.2.0/24"}
    async with a_world(servers, fresh_database, **limits) as world, AsyncExitStack() as open_ones:
        for _ in range(5):
            await open_ones.enter_async_context(connection(world))
        async with connection(world) as (reader, writer):
            writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = await end_of(reader)
        assert answer[9:12] == b"429"
        assert b"retry-after: 5" in answer
        await open_ones.aclose()
        nobody = await world.client()
        for _ in range(3):  # a place that is left is free again
            assert (await nobody.get("/health/live")).status_code == 200


async def test_behind_a_proxy_the_address_is_the_one_it_names(servers, fresh_database):
    limits = {"connections_per_address": 2, "trusted_proxies": "127.0.0.1"}
    async with a_world(servers, fresh_database, **limits) as world, AsyncExitStack() as streams:
        url = world.url.replace("http", "ws") + "/v1/stream"

        def stream(address):
            headers = {"X-Forwarded-For": address}
            return websockets.connect(
                url, subprotocols=["errand.v1+json"], additional_headers=headers, proxy=None
            )

        for number in range(20):  # many phones behind one proxy
            await streams.enter_async_context(stream(f"203.0.113.{number}"))
        await streams.enter_async_context(stream("203.0.113.1"))
        with pytest.raises(websockets.InvalidStatus) as refusal:
            await streams.enter_async_context(stream("203.0.113.1"))
        assert refusal.value.response.status_code == 429
        assert refusal.value.response.headers["retry-after"] == "5"


async def test_in_all_there_are_so_many_connections(servers, fresh_database):
    async with (
        a_world(servers, fresh_database, connections=4) as world,
        AsyncExitStack() as open_ones,
    ):
        for _ in range(4):
            await open_ones.enter_async_context(connection(world))
        async with connection(world) as (reader, writer):
            writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = await end_of(reader)
        assert answer[9:12] == b"503"
