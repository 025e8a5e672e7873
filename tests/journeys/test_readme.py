"""The README keeps its word: its quick start, on a fresh clone, with nothing set up."""

import asyncio
import json
import os
import re

from tests.kit.paths import ROOT


def quick_start():
    section = (ROOT / "README.md").read_text().partition("## Quick start")[2]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert block is not None
    return block.group(1).split("\n")[:-1]


async def say(*command, folder):
    """Run a command as a newcomer would: with a plain environment, in the clone."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")
    registry = {k: v for k, v in os.environ.items() if k.startswith(("PIP_", "UV_"))}
    child = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**{k: os.environ[k] for k in kept if k in os.environ}, **registry},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await child.communicate()
    assert child.returncode == 0, output.decode(errors="replace")[-4000:]
    return output.decode()


async def test_the_quick_start_works_on_a_fresh_clone(tmp_path):
    assert quick_start() == ["make demo", "make test"]
    clone = tmp_path / "errand"
    await say("git", "clone", "--quiet", str(ROOT), str(clone), folder=tmp_path)
    shown = await say("make", "demo", folder=clone)
    last = json.loads(shown.strip().splitlines()[-1])
    assert last["phase"] == "finished"
    assert last["attempts"] == 1
    assert last["pull_request"]
    assert set(last) == {
        "task",
        "phase",
        "attempts",
        "events",
        "branch",
        "pull_request",
        "cost_microusd",
        "start_seconds",
        "seconds",
    }
    killed = await say("make", "demo", "KILL=worker", folder=clone)
    last = json.loads(killed.strip().splitlines()[-1])
    assert (last["phase"], last["attempts"]) == ("finished", 2)
    part = await say("make", "test", "ONLY=tests/architecture/test_sizes.py", folder=clone)
    assert "passed" in part


async def test_make_alone_says_what_there_is(tmp_path):
    shown = await say("make", folder=ROOT)
    for target in ("demo", "run", "test", "check", "bench", "clean"):
        assert f"make {target}" in shown
