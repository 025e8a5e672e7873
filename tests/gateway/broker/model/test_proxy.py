"""Model calls through the broker: to the rehearsal model, and to one that misbehaves."""

import asyncio
from contextlib import asynccontextmanager

import anthropic
import msgspec
import pytest

from tests.kit.run.gateway import a_world
from tests.kit.run.rehearsal_model import Agent, Workspace, running_model

HELLO = {
    "model": "claude-sonnet-5-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "hello"}],
}


@asynccontextmanager
async def a_worker(servers, database, base_url, key="sk-server"):
    async with a_world(servers, database, model_base_url=base_url, model_api_key=key) as world:
        ada = await world.person("ada")
        attempt = await world.attempt(ada.history(await ada.submit()))
        yield await world.worker(attempt)


def sdk(worker):
    token = worker.headers["authorization"].removeprefix("Bearer ")
    base_url = str(worker.base_url).rstrip("/") + "/broker/model"
    return anthropic.AsyncAnthropic(base_url=base_url, auth_token=token, max_retries=0)


class Upstream:
    """A Messages API that keeps what it was sent, and answers as told, byte by byte."""

    def __init__(self):
        self.heard = b""
        self.answer = [b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{"id":"m"}']
        self.go_on = asyncio.Event()

    async def serve(self, reader, writer):
        self.heard = await reader.readuntil(b"\r\n\r\n")
        for part in self.answer:
            writer.write(part)
            await writer.drain()
            if part is not self.answer[-1]:
                await self.go_on.wait()
        writer.close()


@pytest.fixture
async def upstream():
    made = Upstream()
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as server:
        made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield made


async def test_the_sdk_streams_a_turn_from_the_rehearsal_model(servers, fresh_database, tmp_path):
    with running_model(tmp_path / "model") as model:
        async with a_worker(servers, fresh_database, model.url, model.key) as worker:
            async with sdk(worker) as client:
                agent = Agent(client, Workspace(tmp_path / "work"))
                agent.messages.append({"role": "user", "content": "hello"})
                reply = await agent.turn()
                counted = await client.messages.count_tokens(
                    model=HELLO["model"], messages=HELLO["messages"]
                )
            assert counted.input_tokens > 0
            assert reply.content
            assert reply.usage.output_tokens


async def test_the_workers_headers_are_dropped_and_the_servers_key_put_in(
    servers, fresh_database, upstream
):
    async with a_worker(servers, fresh_database, upstream.url) as worker:
        headers = {
            "x-api-key": "mine",
            "cookie": "a=b",
            "anthropic-version": "2026-10-21",
            "anthropic-beta": "interleaved-thinking-2025-05-14",
        }
        answer = await worker.post("/broker/model/v1/messages", json=HELLO, headers=headers)
        assert (answer.status_code, answer.json()) == (200, {"id": "m"})
        token = worker.headers["authorization"].removeprefix("Bearer ")
    heard = upstream.heard.decode().lower()
    assert heard.startswith("post /v1/messages http/1.1")
    assert "authorization: bearer sk-server" in heard
    assert "anthropic-version: 2026-10-21" in heard
    assert "anthropic-beta: interleaved-thinking-2025-05-14" in heard
    for secret in (token.lower(), "mine", "cookie"):
        assert secret not in heard


async def test_an_answer_is_passed_on_as_it_comes(servers, fresh_database, upstream):
    start = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nrequest-id: req_x\r\n\r\n"
    upstream.answer = [start + b"event: ping\ndata: {}\n\n", b"event: message_stop\ndata: {}\n\n"]
    async with (
        a_worker(servers, fresh_database, upstream.url) as worker,
        worker.stream("POST", "/broker/model/v1/messages", json=HELLO) as answer,
    ):
        assert answer.headers["request-id"] == "req_x"
        parts = answer.aiter_bytes()
        assert b"ping" in await anext(parts)  # while the rest is still held back
        upstream.go_on.set()
        assert b"message_stop" in await anext(parts)


async def test_an_answer_that_breaks_off_ends_with_an_error_event(
    servers, fresh_database, upstream
):
    start = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 999\r\n\r\n"
    upstream.answer = [start + b"event: ping\ndata: {}\n\n"]
    async with a_worker(servers, fresh_database, upstream.url) as worker:
        answer = await worker.post("/broker/model/v1/messages", json=HELLO)
    assert b"event: error" in answer.content


async def test_the_models_own_refusal_is_passed_on(servers, fresh_database, upstream):
    body = b'{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}'
    start = (
        b"HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\nretry-after: 7\r\n"
    )
    upstream.answer = [start + b"anthropic-ratelimit-requests-remaining: 0\r\n\r\n" + body]
    async with a_worker(servers, fresh_database, upstream.url) as worker:
        answer = await worker.post("/broker/model/v1/messages", json=HELLO)
    assert (answer.status_code, answer.content) == (429, body)
    assert answer.headers["retry-after"] == "7"
    assert answer.headers["anthropic-ratelimit-requests-remaining"] == "0"


async def test_a_refused_key_is_told_as_the_api_tells_it(servers, fresh_database, tmp_path):
    with running_model(tmp_path / "model") as model:
        async with (
            a_worker(servers, fresh_database, model.url, "sk-wrong") as worker,
            sdk(worker) as client,
        ):
            with pytest.raises(anthropic.AuthenticationError):
                await client.messages.create(**HELLO)


async def test_an_api_that_is_away_is_overloaded_to_the_worker(servers, fresh_database):
    async with (
        a_worker(servers, fresh_database, "http://127.0.0.1:9") as worker,
        sdk(worker) as client,
    ):
        with pytest.raises(anthropic.APIStatusError) as refused:
            await client.messages.create(**HELLO)
    assert refused.value.status_code == 529
    assert "cannot reach" in str(refused.value)


@pytest.mark.parametrize(
    "path", ["v1/models", "v1/files", "v1/messages/batches", "v1/messages/../models", "", "x"]
)
async def test_no_other_address_of_the_api_is_open(servers, fresh_database, upstream, path):
    async with a_worker(servers, fresh_database, upstream.url) as worker:
        answer = await worker.post(f"/broker/model/{path}", json=HELLO)
    assert answer.status_code in (404, 405)
    assert upstream.heard == b""


async def test_without_a_token_the_sdk_is_told_so(world, upstream):
    nobody = await world.broker_client()
    answer = await nobody.post("/broker/model/v1/messages", json=HELLO)
    assert answer.status_code == 401
    assert msgspec.json.decode(answer.content)["error"]["type"] == "authentication_error"
