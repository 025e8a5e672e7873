"""Requests of the model's client, compared with those of the Messages API's SDK."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anthropic
import msgspec
import pytest

from services.worker.effects.model import client as model
from tests.kit.run.model_client import model_error_of, question

_MATTERS = ("accept", "anthropic-version", "authorization", "content-type", "host")


@asynccontextmanager
async def refusing(heard: list[bytes]) -> AsyncIterator[str]:
    """A server that keeps what it was sent and answers 400; yields its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        fields = _fields(head)
        heard.extend((head, await reader.readexactly(int(fields["content-length"]))))
        writer.write(
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1")
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/broker/model"


def _fields(head: bytes) -> dict[str, str]:
    lines = head.decode().split("\r\n")[1:-2]
    return {name.lower(): text.strip() for name, _, text in (each.partition(":") for each in lines)}


@pytest.mark.parametrize(
    ("name", "effort"), [("claude-sonnet-5-5", ""), ("claude-haiku-4-5", "low")]
)
async def test_a_request_is_the_one_that_the_sdk_sends(name: str, effort: str) -> None:
    heard: list[bytes] = []
    asked = question(name=name, effort=effort, prompt="ünï \x00 \u2028 \U0001f600")
    async with refusing(heard) as url:
        async with model.connect(url, "token") as ours:
            await model_error_of(ours, asked)
        async with anthropic.AsyncAnthropic(
            base_url=url, auth_token="token", max_retries=0
        ) as theirs:
            parameters = model._parameters(asked)
            with pytest.raises(anthropic.BadRequestError):
                await theirs.messages.create(**parameters)

    our_head, our_body, their_head, their_body = heard
    assert our_head.split(b"\r\n")[0] == their_head.split(b"\r\n")[0]
    for field in _MATTERS:
        assert _fields(our_head)[field] == _fields(their_head)[field]
    assert msgspec.json.decode(our_body) == msgspec.json.decode(their_body)
    assert msgspec.json.decode(our_body)["stream"] is True


async def test_nothing_of_an_environment_changes_where_a_request_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "ANTHROPIC_BASE_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    heard: list[bytes] = []
    async with refusing(heard) as url, model.connect(url, "token") as client:
        await model_error_of(client, question())
    assert heard
