"""Settings of the local Machines API."""

from typing import Literal

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Read once, in `__main__`, and passed down."""

    directory: str
    fly_api_token: str
    host: str = "127.0.0.1"
    port: int = 4280
    driver: Literal["process"] = "process"
    # A JSON list; empty: this interpreter running services.worker.
    worker_command: str = ""
    # ':'-lists. PATH of the machines; empty: this interpreter's directory and the system's.
    worker_path: str = ""
    toolchain_paths: str = ""
    strict: bool = True
    faults: bool = False
    log_level: str = "INFO"
    grace_seconds: float = 5.0
