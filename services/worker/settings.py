"""Everything a worker can be told from outside."""

from datetime import datetime
from typing import Literal

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Read once, in `__main__`, and passed down. No secret but the one-time code."""

    task_id: str
    account_id: str
    attempt: int
    claim_code: str
    gateway_url: str
    deadline: datetime
    fly_machine_id: str = "unknown"
    sandbox: Literal["auto", "docker", "bubblewrap", "none"] = "auto"
    sandbox_image: str = ""
    work_directory: str = ""
    toolchain_paths: str = ""
    build: str = ""
    patience_seconds: float = 1800.0  # see services.worker.retry
    grace_seconds: float = 20.0
    metrics_port: int = 0
    log_level: str = "INFO"
    otel_exporter_otlp_endpoint: str = ""

    def __repr__(self) -> str:
        return f"Settings(task_id={self.task_id!r}, attempt={self.attempt}, …)"
