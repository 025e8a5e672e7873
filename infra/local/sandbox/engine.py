"""The address of this machine's Docker engine: the one that is set, or a socket where one is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

DOCKER_SOCKET: Final = "/var/run/docker.sock"

# Docker Desktop, OrbStack, Colima and Rancher Desktop, under the home directory.
_IN_HOME: Final = (
    ".docker/run/docker.sock",
    ".orbstack/run/docker.sock",
    ".colima/default/docker.sock",
    ".rd/docker.sock",
)


def engine_address(environment: Mapping[str, str], *, usual: Path = Path(DOCKER_SOCKET)) -> str:
    """Return DOCKER_HOST, or that of a socket in another place than the usual; else nothing."""
    if environment.get("DOCKER_HOST"):
        return environment["DOCKER_HOST"]
    if usual.exists():
        return ""
    home, runtime = environment.get("HOME", ""), environment.get("XDG_RUNTIME_DIR", "")
    places = [Path(home, each) for each in _IN_HOME if home]
    places += [Path(runtime, "docker.sock")] if runtime else []  # an engine without root
    return next((f"unix://{each}" for each in places if each.exists()), "")
