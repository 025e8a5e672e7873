"""The banner of `make run`: the model, the sandbox and the phone's way in."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import pytest

from infra.local.banner import model_in_use, qr_code, validity
from infra.local.sandbox.choice import choose, described, missing_for_docker
from infra.local.settings import Settings
from infra.local.stack import Pairing
from infra.runtime.sandbox_choice import DEFAULT_IMAGE
from services.worker.sandbox.backends.docker import engine_answers


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


@asynccontextmanager
async def engine(socket: Path, images: Sequence[str]) -> AsyncIterator[str]:
    """A Docker engine of two answers, on a unix socket."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.readline():
            _, path, _ = request.decode().split(" ")
            while (await reader.readline()).strip():
                pass
            is_known = path == "/_ping" or unquote(path.split("/")[2]) in images
            status = "200 OK" if is_known else "404 Not Found"
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nOK".encode())
            await writer.drain()
        writer.close()

    async with await asyncio.start_unix_server(answer, socket):
        yield f"unix://{socket}"


async def sandbox_said(settings: Settings, host: str) -> str:
    return described(await choose(settings, docker_host=host), settings.sandbox_image)


async def test_docker_is_named_where_an_engine_has_the_image(tmp_path: Path) -> None:
    async with engine(tmp_path / "docker.sock", ["errand-sandbox:local"]) as host:
        assert await sandbox_said(Settings(), host) == "docker"


async def test_an_engine_without_the_image_is_not_called_the_sandbox(tmp_path: Path) -> None:
    async with engine(tmp_path / "docker.sock", ["debian:latest"]) as host:
        said = await sandbox_said(Settings(), host)
        other = await sandbox_said(Settings(sandbox_image="debian:latest"), host)

    assert said.startswith("bubblewrap (Docker is not used: ")
    assert "no image errand-sandbox:local" in said
    assert "build it: make images" in said
    assert other == "docker"


@pytest.mark.parametrize("host", ["unix:///nowhere/docker.sock", "ssh://elsewhere"])
async def test_bubblewrap_is_named_where_no_engine_answers(host: str) -> None:
    assert (await sandbox_said(Settings(), host)).startswith("bubblewrap (Docker is not used: ")


async def test_a_sandbox_that_was_asked_for_is_named() -> None:
    assert await sandbox_said(Settings(sandbox="none"), "") == "none"


@pytest.mark.docker
async def test_the_stack_and_the_worker_ask_the_engine_the_same() -> None:
    host = os.environ.get("DOCKER_HOST", "")
    for image in (DEFAULT_IMAGE, "errand-absent:local"):
        asked = await asyncio.to_thread(engine_answers, image)
        assert await missing_for_docker(host, image) == asked


def test_a_code_is_said_to_be_good_for_minutes() -> None:
    pairing = Pairing(code="c", url="u", expires_at="2026-11-27T22:36:27.342296Z")
    now = datetime(2026, 11, 27, 22, 26, 28, tzinfo=UTC)
    assert validity(pairing, now) == "valid once, for 10 minutes"
