"""The web app's own checks: types, style, and its tests of pure code in node."""

import subprocess

import pytest

from tests.kit.web_app.node import WEB, require_node

TIMEOUT_SECONDS = 600


@pytest.mark.parametrize("script", ["check", "test"])
def test_the_web_app_passes_its_own(script: str) -> None:
    require_node()
    run = subprocess.run(
        ["npm", "run", "--silent", script],
        cwd=WEB,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-4000:]
