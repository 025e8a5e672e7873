"""`python -m infra.simulators.anthropic`, as the embedded stack starts it."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx

from tests.kit.build.model_requests import ask, post
from tests.kit.paths import ROOT
from tests.kit.probe.eventually import eventually
from tests.kit.run.rehearsal_model import KEY, RehearsalModel


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


async def test_the_program_starts_from_its_environment_and_stops_when_told(tmp_path: Path) -> None:
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PORT": str(port),
        "DIRECTORY": str(tmp_path / "made"),
        "MODEL_API_KEY": KEY,
        "PACE": "0",
        "FAULTS": "1",
    }
    command = [sys.executable, "-m", "infra.simulators.anthropic"]

    def is_up() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
        except httpx.TransportError:
            return False

    with subprocess.Popen(command, env=environment) as process:
        try:
            await eventually(is_up, seconds=30)
            assert post(RehearsalModel(f"http://127.0.0.1:{port}"), ask()).status_code == 200
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=15)
    assert (tmp_path / "made/ledger.jsonl").exists()


def test_the_program_says_which_setting_is_missing() -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-m", "infra.simulators.anthropic"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert ended.returncode == 1
    assert "the rehearsal model cannot start" in ended.stderr
    assert "PORT" in ended.stderr
