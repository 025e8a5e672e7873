"""What `make run` tells the person: where the phone goes, and what stands behind it."""

import io

import httpx
import segno

from infra.stack.settings import Settings
from infra.stack.whole import Pairing, Stack

_ENGINE_SECONDS = 2.0
_DOCKER_SOCKET = "/var/run/docker.sock"


def banner(stack: Stack, pairing: Pairing, *, sandbox: str) -> str:
    """Compose the text: address, QR code, pairing code, model, sandbox, forge, logs."""
    rows = {
        "Gateway": stack.address.public_url,
        "Pairing code": f"{pairing.code}  (once, until {pairing.expires_at})",
        "Model": model_in_use(stack.settings),
        "Sandbox": sandbox,
        "Forge": f"{stack.forge.url}  (local; {_other_forges(stack.settings)})",
        "Logs": str(stack.servers.home.logs),
    }
    width = max(map(len, rows))
    table = "\n".join(f"  {name:<{width}}  {value}" for name, value in rows.items())
    return f"{qr_code(pairing.url)}\n{table}\n\n  {_reach(stack)}\n  Ctrl-C stops everything.\n"


def qr_code(url: str) -> str:
    """Draw a URL as a QR code for a terminal."""
    drawing = io.StringIO()
    segno.make(url, micro=False).terminal(out=drawing, compact=True)
    return drawing.getvalue()


def model_in_use(settings: Settings) -> str:
    """Say which model answers, and plainly when it is the rehearsal model."""
    if settings.is_rehearsal:
        return (
            "the rehearsal model, which knows only the sample tasks; set ANTHROPIC_API_KEY for"
            " the real one"
        )
    return f"{settings.model_name} at {settings.anthropic_base_url or 'the Anthropic API'}"


async def sandbox_in_use(settings: Settings) -> str:
    """Name the sandbox tools run in: docker where an engine answers, else bubblewrap."""
    if settings.sandbox != "auto":
        return settings.sandbox
    return "docker" if await _engine_answers(settings.docker_host) else "bubblewrap"


async def _engine_answers(docker_host: str) -> bool:
    """Ask the engine's /_ping. Source: Docker Engine API, SystemPing."""
    scheme, _, rest = docker_host.partition("://")
    match scheme:
        case "" | "unix":
            transport = httpx.AsyncHTTPTransport(uds=rest or _DOCKER_SOCKET)
            address = "http://engine"
        case "tcp" | "http":
            transport = httpx.AsyncHTTPTransport()
            address = f"http://{rest}"
        case _:  # ssh:// and the like: the worker's sandbox cannot use them either
            return False
    try:
        async with httpx.AsyncClient(transport=transport, timeout=_ENGINE_SECONDS) as client:
            answer = await client.get(f"{address}/_ping")
    except httpx.HTTPError:
        return False
    return answer.status_code == httpx.codes.OK


def _other_forges(settings: Settings) -> str:
    allowed = [
        name
        for name, token in (
            ("github.com", settings.github_token),
            ("gitlab.com", settings.gitlab_token),
        )
        if token
    ]
    return f"also {' and '.join(allowed)}" if allowed else "set GITHUB_TOKEN to allow github.com"


def _reach(stack: Stack) -> str:
    if stack.address.host == "127.0.0.1":
        return (
            "Only this machine can reach the gateway; --host 0.0.0.0 lets a phone on your network"
            " reach it."
        )
    return (
        f"The gateway listens on {stack.address.host}: whoever shares this network can reach it."
        " Nothing else listens beyond this machine."
    )
