"""Bytes that are no text, and text that is no JSON, on every route: a plain 4xx, never a 5xx."""

import json
import re
from itertools import cycle
from uuid import uuid4

import pytest

from tests.gateway.kit.full_task import a_furnished_world
from tests.gateway.kit.problems import UNKNOWN
from tests.gateway.kit.schemas import fitting

NOT_UTF8 = [
    b"\xff",
    b"\xc0\x80",  # NUL, overlong
    b"\xed\xa0\x80",  # half of a surrogate pair
    b"\xf4\x90\x80\x80",  # beyond U+10FFFF
    b"\xe2\x82",  # cut short
    "hé".encode("latin-1"),
    "hi".encode("utf-16"),
]
NOT_JSON = [
    b'"\\ud800"',
    b'"\\udc00\\ud800"',
    b"1e999999",
    b"-1e999999",
    b"9" * 5000,
    b"NaN",
    b"Infinity",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'"\\u0000"',
    b'"\\u00',
    b"\xef\xbb\xbf{}",
    b"",
]


@pytest.fixture
async def world(servers, fresh_database, tmp_path):
    async with a_furnished_world(servers, fresh_database, tmp_path) as made:
        yield made


def operations(document):
    """Each operation: its method, its path with something in every place, and its description."""
    for path, item in document["paths"].items():
        plain = re.sub(r"\{task\}", UNKNOWN, path)
        for method, operation in item.items():
            numbers = {
                each["name"]
                for each in operation.get("parameters", ())
                if each["in"] == "path" and each["schema"].get("type") == "integer"
            }  # of anything else there is no such route
            filled = re.sub(
                r"\{(\w+)\}", lambda found, of=numbers: "1" if found[1] in of else "x", plain
            )
            yield method.upper(), filled, operation


def places(value, at=()):
    """Return the path to each leaf of a body."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*at, index))
    else:
        yield at


def with_raw(body, at, raw):
    """The body as JSON, with these raw bytes at one place."""
    marked = json.loads(json.dumps(body))
    inner = marked
    for step in at[:-1]:
        inner = inner[step]
    inner[at[-1]] = "@@here@@"
    return json.dumps(marked).encode().replace(b'"@@here@@"', raw)


def bodies_of(operation, document):
    """Return the operation's body, broken in each of its places by each kind of bytes."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    whole = fitting(content["schema"], document) if content else {}
    whole = whole if isinstance(whole, dict) else {}
    texts = cycle(NOT_UTF8)
    yield next(texts)
    yield b'"' + next(texts) + b'"'
    yield b'{"' + next(texts) + b'":1}'
    for at in places({**whole, "unknown": 1}):
        yield with_raw({**whole, "unknown": 1}, at, b'"' + next(texts) + b'"')


async def test_a_body_that_is_not_utf8_is_a_plain_400_on_every_route(world, caplog):
    ada, nobody = await world.person("ada"), await world.client()
    document = (await ada.http.get("/docs/openapi.json")).json()
    tried = 0
    for method, path, operation in operations(document):
        if method == "GET" or "image/png" in operation.get("requestBody", {}).get("content", {}):
            continue
        for body in bodies_of(operation, document):
            for client in (ada.http, nobody):
                headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid4())}
                answer = await client.request(method, path, content=body, headers=headers)
                told = (method, path, body, answer.text)
                assert answer.status_code == 400, told
                assert answer.json()["code"] == "not_utf8", told
                assert answer.json()["retryable"] is False, told
                tried += 1
    assert tried > 200
    assert not [record for record in caplog.records if record.exc_info]


async def test_text_that_cannot_be_decoded_is_never_a_5xx(world, caplog):
    ada, nobody = await world.person("ada"), await world.client()
    document = (await ada.http.get("/docs/openapi.json")).json()
    for method, path, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if not content:
            continue
        whole = fitting(content["schema"], document)
        bodies = [*NOT_JSON[-3:]]
        bodies += [with_raw(whole, at, raw) for at in places(whole) if at for raw in NOT_JSON]
        for client, body in zip(cycle((ada.http, ada.http, nobody)), bodies, strict=False):
            headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid4())}
            answer = await client.request(method, path, content=body, headers=headers)
            assert answer.status_code < 500, (method, path, body[:100], answer.text)
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "text/plain", "a/b", ""])
async def test_other_media_types_are_no_way_around(world, kind):
    nobody = await world.client()
    for text in NOT_UTF8:
        body = b'--x\r\nContent-Disposition: form-data; name="' + text + b'"\r\n\r\nv\r\n--x--\r\n'
        answer = await nobody.post("/v1/sessions", content=body, headers={"Content-Type": kind})
        assert answer.status_code == 400, answer.text


async def test_an_address_or_a_header_that_is_not_utf8_is_a_plain_400(world):
    ada, nobody = await world.person("ada"), await world.client()
    document = (await ada.http.get("/docs/openapi.json")).json()
    texts = cycle(NOT_UTF8[:4])
    for method, path, operation in operations(document):
        named = [p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"]
        text = next(texts)
        spelt = "".join(f"%{byte:02x}" for byte in text)
        raw = [(name, text) for name in (b"Cookie", b"Idempotency-Key", b"If-None-Match")]
        asked = [(f"{path}?{name}={spelt}", []) for name in (*named, spelt)]
        asked += [(path.replace(UNKNOWN, spelt), []), *((path, [pair]) for pair in raw)]
        for client, (url, headers) in zip(cycle((ada.http, nobody)), asked, strict=False):
            if spelt not in url and not headers:
                continue
            answer = await client.request(method, url, headers=headers)
            assert answer.status_code == 400, (method, url, headers, answer.text)
            assert answer.json()["retryable"] is False


async def test_the_character_nul_is_never_a_5xx(world):
    ada = await world.person("ada")
    document = (await ada.http.get("/docs/openapi.json")).json()
    for method, path, operation in operations(document):
        named = [p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"]
        for url in (*(f"{path}?{name}=%00" for name in named), path.replace(UNKNOWN, "%00")):
            headers = {"Idempotency-Key": str(uuid4())}
            answer = await ada.http.request(method, url, headers=headers)
            assert answer.status_code < 500, (method, url, answer.text)


async def test_the_broker_refuses_them_too(world):
    ada = await world.person("ada")
    task = await ada.submit()
    attempt = await world.attempt(ada.history(task))
    worker, nobody = await world.worker(attempt), await world.broker_client()
    paths = ["/broker/claim", "/broker/forge/pull-request", "/broker/model/v1/messages"]
    for text in NOT_UTF8:
        for path in paths:
            for body in (text, b'{"' + text + b'":"' + text + b'"}'):
                for client in (worker, nobody):
                    answer = await client.post(
                        path, content=body, headers={"Content-Type": "application/json"}
                    )
                    assert 400 <= answer.status_code < 500, (path, body, answer.text)
        for raw in (b"?" + text, b"?service=" + text):
            url = f"/broker/git/{task}.git/info/refs"
            answer = await worker.get(f"{url}?{''.join(f'%{b:02x}' for b in raw)}")
            assert answer.status_code == 400
