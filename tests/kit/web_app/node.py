"""The web app's TypeScript, compiled and run by node: for tests that hold it against Python."""

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

import pytest

from tests.kit.paths import ROOT

WEB: Final = ROOT / "clients" / "web"
_TSC: Final = WEB / "node_modules" / "typescript" / "bin" / "tsc"
_TIMEOUT_SECONDS: Final = 300


def require_node() -> str:
    """Return the path of node; skip the test, with the reason, where it cannot run."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed, so the web app's code cannot be run")
    if not _TSC.exists():
        pytest.skip("the web app's packages are not installed: run `npm ci` in clients/web")
    return node


@cache
def compiled_web_app() -> Path:
    """Compile model, store and tests to JavaScript, once per process; return the folder."""
    node = require_node()
    folder = Path(mkdtemp(prefix="errand-web-"))
    made = subprocess.run(
        [node, _TSC, "--project", "tsconfig.test.json", "--outDir", folder],
        cwd=WEB,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


def run_in_node(script: Path, stdin: Any) -> Any:
    """Run a script with JSON on standard input; return the JSON that it prints.

    Its first argument is the folder of the compiled app, without the last slash.
    """
    run = subprocess.run(
        [require_node(), script, compiled_web_app()],
        input=stdin if isinstance(stdin, bytes) else json.dumps(stdin).encode(),
        capture_output=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    assert run.returncode == 0, run.stderr.decode()
    return json.loads(run.stdout)
