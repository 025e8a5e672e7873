"""Other agents on the same model: each installed from its registry into a cache, and started once.

The cache is `errand-bench` in the person's own cache directory; what cannot be installed or does
not make its calls is skipped with a reason.
"""

import asyncio
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

_INSTALL_SECONDS = 600
_RUN_SECONDS = 120
_PROMPT = "Measure."
_KEY = "sk-ant-none"


class Skipped(Exception):
    """This agent cannot be measured here; the text says why."""


class Peer(NamedTuple):
    """An agent: how it is installed, the program that shows it is, and how it is started.

    `tool` is its tool for commands, `last` the command that ends its work; empty for a reply.
    """

    install: Sequence[Sequence[str]]
    program: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    tool: str
    last: str = ""


def claude(home: Path) -> Peer:
    """Claude Code CLI, from npm."""
    return Peer(
        install=[["npm", "install", "--prefix", str(home), "@anthropic-ai/claude-code"]],
        program="node_modules/.bin/claude",
        arguments=["-p", _PROMPT, "--dangerously-skip-permissions", "--model", "claude-sonnet-5-5"],
        environment={
            "IS_SANDBOX": "1",
            "DISABLE_AUTOUPDATER": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        },
        tool="Bash",
    )


def mini(home: Path) -> Peer:
    """mini-swe-agent, from PyPI."""
    return Peer(
        install=[
            [sys.executable, "-m", "venv", str(home)],
            [str(home / "bin" / "pip"), "install", "-q", "mini-swe-agent"],
        ],
        program="bin/mini",
        arguments=[
            *("-t", _PROMPT, "-y", "--exit-immediately", "-l", "0"),
            *("-m", "anthropic/claude-sonnet-4-5", "-o", os.devnull),
        ],
        environment={"MSWEA_CONFIGURED": "true", "MSWEA_COST_TRACKING": "ignore_errors"},
        tool="bash",
        last="echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT",
    )


async def installed(name: str, peer: Peer, home: Path) -> Path:
    """Return the agent's program, installed if it was not. Raises Skipped."""
    program = home / peer.program
    if not program.exists():
        home.mkdir(parents=True, exist_ok=True)
        for command in peer.install:
            if shutil.which(command[0]) is None:
                raise Skipped(f"{name}: there is no {Path(command[0]).name} on this machine")
            await _run(name, command, os.environ, _INSTALL_SECONDS)
    return program


async def carry_out(name: str, program: Path, peer: Peer, model_url: str) -> None:
    """Let it work until it ends by itself, in empty directories. Raises Skipped."""
    with TemporaryDirectory() as scratch:
        environment = {
            **peer.environment,
            "HOME": scratch,
            "MSWEA_GLOBAL_CONFIG_DIR": scratch,
            "ANTHROPIC_API_KEY": _KEY,
            "ANTHROPIC_BASE_URL": model_url,
            "ANTHROPIC_API_BASE": model_url,
        }
        command = [str(program), *peer.arguments]
        await _run(name, command, environment, _RUN_SECONDS, directory=scratch)


def cache() -> Path:
    """Return the directory that keeps the agents between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "errand-bench"


async def _run(
    name: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    seconds: float,
    *,
    directory: str | None = None,
) -> None:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=directory,
        env={"PATH": os.environ["PATH"], **environment},
    )
    try:
        async with asyncio.timeout(seconds):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise Skipped(f"{name}: {Path(command[0]).name} did not end in {seconds:g} s") from None
    if process.returncode:
        said = output.decode(errors="replace").strip().splitlines()[-1:]
        raise Skipped(f"{name}: {Path(command[0]).name} failed: {''.join(said)[:200]}")
