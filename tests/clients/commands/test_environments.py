"""`errand environments`, and the environment of `errand run`, against a real gateway."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from events.codec import decode
from tests.clients.errand_process import command, environment
from tests.kit.run.gateway import REPOSITORY, a_world

FILE = 'image = "default"\nsetup = "npm ci"\nallow = ["api.example.com"]\nenv = { CI = "1" }\n'


@pytest.fixture
async def world(servers, fresh_database):
    async with a_world(servers, fresh_database) as made:
        yield made


@pytest.fixture
async def ada(world):
    return await world.person("ada")


@pytest.fixture
def typed(world, ada, tmp_path: Path):
    """Type a command as Ada."""
    (tmp_path / "environment.toml").write_text(FILE)

    async def run(*arguments: str):
        ended = await asyncio.to_thread(
            subprocess.run,
            command(tmp_path, *arguments),
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
            env={**environment(ada.session["token"]), "ERRAND_URL": world.url},
            check=False,
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        return ended

    return run


async def test_an_environment_is_set_shown_and_reset(typed):
    made = await typed("environments", "set", REPOSITORY, "environment.toml")
    assert made.returncode == 0, made.stderr
    shown = (await typed("environments", "show", "ada/app")).stdout
    assert "In force: the account's settings for this repository" in shown
    assert "setup: npm ci" in shown
    assert "network: set-up registries, agent off; also api.example.com" in shown
    assert "0 packs, 0.0 MiB" in (await typed("environments")).stdout
    reset = (await typed("environments", "reset", "ada/app")).stdout
    assert "In force: Nothing is known yet." in reset
    unknown = await typed("environments", "show", "ada/app")
    assert unknown.returncode != 0
    assert "errand environments" in unknown.stderr


async def test_a_task_is_sent_with_an_environment_of_its_own(typed, ada):
    sending = ("run", "fix it", "-r", REPOSITORY, "--detach", "--environment", "environment.toml")
    sent = await typed(*sending, "--egress", "registries")
    task = sent.stdout.strip()
    history = ada.history(task)
    bodies = await ada.world.log.bodies(history, after=0, limit=1)
    submitted = decode(history, 0, bodies[0][1]).event
    assert submitted.environment_source == "task"
    assert (submitted.environment.setup, submitted.environment.agent_egress) == (
        "npm ci",
        "registries",
    )
    refused = await typed("run", "fix it", "-r", REPOSITORY, "--egress", "open")
    assert refused.returncode != 0
    assert "--setup" in refused.stderr
