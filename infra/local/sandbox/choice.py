"""The sandbox of a local stack: chosen once, when it starts, and said in the same words."""

import sys
from typing import Final
from urllib.parse import quote

import httpx

from infra.local.sandbox.engine import DOCKER_SOCKET
from infra.local.settings import Settings
from infra.runtime.sandbox_choice import DEFAULT_IMAGE, SandboxChoice, choose_sandbox

_ENGINE_SECONDS: Final = 2.0


async def choose(settings: Settings, *, docker_host: str) -> SandboxChoice:
    """Choose by the worker's own rule."""
    kind = settings.sandbox
    missing = (
        await missing_for_docker(docker_host, settings.sandbox_image) if kind == "auto" else ""
    )
    return choose_sandbox(kind, missing=missing, platform=sys.platform)


def described(choice: SandboxChoice, image: str) -> str:
    """Return which sandbox tools run in, and why it is not Docker when it is not."""
    if not choice.reason:
        return choice.kind
    how = "build it: make images" if image == DEFAULT_IMAGE else f"pull it: docker pull {image}"
    remedy = f"; {how}" if "no image" in choice.reason else ""
    return f"{choice.kind or 'none'} (Docker is not used: {choice.reason}{remedy})"


async def missing_for_docker(docker_host: str, image: str) -> str:
    """Return what Docker lacks here; empty when an engine answers and has the image.

    Source: Docker Engine API, SystemPing and ImageInspect.
    """
    scheme, _, rest = docker_host.partition("://")
    match scheme:
        case "" | "unix":
            transport = httpx.AsyncHTTPTransport(uds=rest or DOCKER_SOCKET)
            address = "http://engine"
        case "tcp" | "http":
            transport = httpx.AsyncHTTPTransport()
            address = f"http://{rest}"
        case _:  # the worker's sandbox cannot use it either
            return f"an engine behind {scheme}:// cannot be used"
    try:
        async with httpx.AsyncClient(transport=transport, timeout=_ENGINE_SECONDS) as client:
            if (await client.get(f"{address}/_ping")).status_code != httpx.codes.OK:
                return "no Docker engine answers"
            found = await client.get(f"{address}/images/{quote(image, safe='')}/json")
    except httpx.HTTPError:
        return "no Docker engine answers"
    if found.status_code == httpx.codes.NOT_FOUND:
        return f"the Docker engine has no image {image}"
    return "" if found.is_success else f"the Docker engine answered {found.status_code}"
