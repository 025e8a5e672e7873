"""Everything a worker can be told from outside."""

from datetime import datetime
from typing import Literal

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Read once, in `__main__`, and passed down. No secret but the one-time code."""

    task_id: str
    """Task that this machine works on."""
    account_id: str
    """Account of the task."""
    attempt: int
    """Number of the attempt, from 1."""
    claim_code: str
    """One-time code that is exchanged for credentials at the gateway."""
    gateway_url: str
    deadline: datetime
    """Time at which the machine ends."""
    fly_machine_id: str = "unknown"
    """Id of the machine; Fly sets it."""
    sandbox: Literal["auto", "docker", "bubblewrap", "none"] = "auto"
    sandbox_image: str = ""
    work_directory: str = ""
    """Directory of the repository; without it a temporary one."""
    toolchain_paths: str = ""
    """Toolchains that the bubblewrap sandbox shows and has on PATH, separated by colons."""
    egress_registries: str = ""
    """Hosts of package registries that commands may reach under the policy `registries`, as
    `host` or `host:port`, separated by commas. `make run` asks the machine's package managers."""
    build: str = ""
    """Version of the worker, recorded with each attempt."""
    patience_seconds: float = 1800.0  # see services.worker.retry
    """Longest wait for gateway, forge or object store before the attempt ends."""
    grace_seconds: float = 20.0
    metrics_port: int = 0
    log_level: str = "INFO"
    otel_exporter_otlp_endpoint: str = ""

    def __repr__(self) -> str:
        return f"Settings(task_id={self.task_id!r}, attempt={self.attempt}, …)"
