"""Every answer has validators, compression and careful headers, and serves other origins."""

import gzip
import json

import pytest
import zstandard

from events import PlanItem, PlanUpdated
from infra.runtime.settings import Misconfigured
from services.gateway.http.response_middleware import accepted
from services.gateway.http.settings import read_origins
from tests.kit.run.gateway import a_world

ORIGIN = "https://app.example.com"


@pytest.mark.parametrize(
    ("asked", "coding"),
    [
        ("", ""),
        ("identity", ""),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("zstd;q=0.5, gzip", "gzip"),
        ("*", "zstd"),
        ("*;q=0.1, zstd;q=0", "gzip"),
        ("gzip;q=0, zstd;q=0", ""),
        ("GZIP ; q=1.0", "gzip"),
        ("gzip;q=1.2.3, \x00, ;;, zstd;q=", ""),
    ],
)
def test_the_coding_is_one_the_caller_accepts(asked, coding):
    assert accepted(asked) == coding


async def a_long_page(ada, world):
    task = await ada.submit()
    steps = tuple(PlanItem("a step of some length", "pending") for _ in range(100))
    await world.append(ada.history(task), *(PlanUpdated(items=steps) for _ in range(10)))
    return f"/v1/tasks/{task}/events"


async def raw(client, path, **headers):
    """Ask, and do not undo the coding."""
    async with client.stream("GET", path, headers={"Accept-Encoding": "", **headers}) as answer:
        return answer, b"".join([part async for part in answer.aiter_raw()])


async def test_a_page_is_compressed_as_the_caller_accepts(ada, world):
    path = await a_long_page(ada, world)
    plain, content = await raw(ada.http, path)
    assert "content-encoding" not in plain.headers
    assert len(json.loads(content)["data"]) == 11
    for coding, undone in [("gzip", gzip.decompress), ("zstd", zstandard.decompress)]:
        answer, packed = await raw(ada.http, path, **{"Accept-Encoding": coding})
        assert answer.headers["content-encoding"] == coding
        assert "Accept-Encoding" in answer.headers["vary"]
        assert len(packed) < len(content) / 5
        assert undone(packed) == content
        assert answer.headers["etag"] == plain.headers["etag"]


async def test_server_sent_events_are_never_compressed(ada, world):
    path = await a_long_page(ada, world)
    headers = {"Accept": "text/event-stream", "Accept-Encoding": "gzip, zstd"}
    async with ada.http.stream("GET", path, headers=headers) as answer:
        assert "content-encoding" not in answer.headers
        assert "etag" not in answer.headers
        assert await anext(answer.aiter_lines()) == "retry: 1000"


async def test_what_has_not_changed_is_not_sent_again(ada):
    task = await ada.submit()
    for path in (f"/v1/tasks/{task}", f"/v1/tasks/{task}/events", f"/v1/tasks/{task}/state"):
        first = await ada.http.get(path)
        tag = first.headers["etag"]
        assert first.headers["cache-control"] == "private, no-cache"
        again = await ada.http.get(path, headers={"If-None-Match": f'"x", {tag}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    version = (await ada.post(f"/v1/tasks/{task}/cancel")).json()["version"]
    changed = await ada.http.get(
        f"/v1/tasks/{task}", params={"wait_version": version}, headers={"If-None-Match": tag}
    )
    assert (changed.status_code, changed.json()["phase"]) == (200, "cancelled")


async def test_answers_are_not_to_be_sniffed_framed_or_kept(ada):
    for path in ("/v1/me", "/v1/nothing", "/docs", "/health/live"):
        answer = await ada.http.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] in ("private, no-cache", "no-store")
        assert answer.headers.get_list("content-security-policy", split_commas=False)[1:] == []


@pytest.mark.parametrize(
    ("path", "methods"),
    [("/v1/tasks", "GET, OPTIONS, POST"), ("/v1/secrets", "GET, OPTIONS, PUT")],
)
async def test_an_address_tells_all_its_methods(ada, path, methods):
    told = await ada.http.options(path)
    assert (told.status_code, told.headers["allow"]) == (204, methods)


async def test_only_pages_of_origins_on_the_list_may_ask(servers, fresh_database, ada):
    preflight = {"Access-Control-Request-Method": "POST", "Origin": ORIGIN}
    closed = await ada.http.options("/v1/tasks", headers=preflight)
    assert "access-control-allow-origin" not in closed.headers
    async with a_world(servers, fresh_database, allowed_origins=ORIGIN) as world:
        client = await world.client()
        allowed = await client.options("/v1/tasks", headers=preflight)
        assert allowed.headers["access-control-allow-origin"] == ORIGIN
        refused = await client.get("/v1/me", headers={"Origin": ORIGIN})
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (
            401,
            ORIGIN,
        )
        other = await client.get("/v1/about", headers={"Origin": "https://evil.test"})
        assert other.headers.get("access-control-allow-origin") != "https://evil.test"
        assert other.headers.get("access-control-allow-origin") != "*"


@pytest.mark.parametrize("text", ["*", "https://a.test/path", "app.example.com", "ftp://a.test"])
def test_what_is_no_origin_is_not_allowed(text):
    with pytest.raises(Misconfigured):
        read_origins(text)
    assert read_origins(f" {ORIGIN} , http://localhost:3000,") == (ORIGIN, "http://localhost:3000")
