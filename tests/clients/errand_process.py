"""The `errand` program as a process, against a scripted gateway."""

import os
import subprocess
import sys
from pathlib import Path

from tests.kit.build.api_answers import TASK_ID, answer, me
from tests.kit.fakes.scripted_http import ScriptedHttp
from tests.kit.paths import ROOT

ME = answer(me())
TASK = TASK_ID


def command(folder: Path, *arguments: str, gateway: ScriptedHttp | None = None) -> list[str]:
    named = ["--gateway", gateway.url] if gateway else []
    config = ["--config", str(folder / "config")]
    return [sys.executable, "-m", "clients.cli", *named, *config, *arguments]


def environment(token: str = "token") -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "PYTHONPATH": str(ROOT),
        "ERRAND_TOKEN": token,
        "COLUMNS": "200",
        "LC_ALL": "C.UTF-8",
    }


def errand(
    folder: Path, *arguments: str, gateway: ScriptedHttp | None = None
) -> "subprocess.CompletedProcess[str]":
    ended = subprocess.run(
        command(folder, *arguments, gateway=gateway),
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        env=environment(),
        check=False,
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended
