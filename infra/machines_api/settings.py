"""Settings of the local Machines API."""

from typing import Literal

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Read once, in `__main__`, and passed down."""

    directory: str
    """Directory that holds what must survive a restart."""
    fly_api_token: str
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 4280
    """Port to listen on."""
    driver: Literal["process"] = "process"
    """Driver that runs machines."""
    worker_command: str = ""
    """JSON list that starts a machine's program; without it this interpreter runs
    `services.worker`.
    """
    worker_path: str = ""
    """PATH of machines; without it this interpreter's directory and the system's."""
    toolchain_paths: str = ""
    docker_host: str = ""
    """Docker engine of this machine's workers, in place of the usual socket."""
    strict: bool = True
    """Refuses requests that Fly would refuse."""
    faults: bool = False
    """Lets tests inject faults."""
    log_level: str = "INFO"
    grace_seconds: float = 5.0
