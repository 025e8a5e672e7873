"""What `make run` says of the model, the sandbox and the phone's way in."""

import asyncio
from pathlib import Path

import pytest

from infra.stack.banner import model_in_use, qr_code, sandbox_in_use
from infra.stack.settings import Settings


def test_it_says_plainly_when_the_rehearsal_model_answers() -> None:
    said = model_in_use(Settings())
    assert "knows only the sample tasks" in said
    assert "set ANTHROPIC_API_KEY" in said


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (Settings(anthropic_api_key="k"), "claude-sonnet-5-5 at the Anthropic API"),
        (
            Settings(anthropic_base_url="http://model.lan", model_name="other"),
            "other at http://model.lan",
        ),
    ],
)
def test_it_names_the_model_that_answers(settings: Settings, said: str) -> None:
    assert model_in_use(settings) == said


def test_the_code_is_drawn_narrow_enough_for_a_terminal() -> None:
    drawing = qr_code("http://192.168.100.100:45678/pair#ABCD-EFGH")
    assert max(map(len, drawing.splitlines())) <= 80


async def test_docker_is_named_where_an_engine_answers(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        assert asked.startswith(b"GET /_ping ")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK")
        await writer.drain()
        writer.close()

    engine = tmp_path / "docker.sock"
    settings = Settings(docker_host=f"unix://{engine}")
    async with await asyncio.start_unix_server(answer, engine):
        assert await sandbox_in_use(settings) == "docker"


@pytest.mark.parametrize("host", ["unix:///nowhere/docker.sock", "ssh://elsewhere"])
async def test_bubblewrap_is_named_where_no_engine_answers(host: str) -> None:
    assert await sandbox_in_use(Settings(docker_host=host)) == "bubblewrap"


async def test_a_sandbox_that_was_asked_for_is_named() -> None:
    assert await sandbox_in_use(Settings(sandbox="none")) == "none"
