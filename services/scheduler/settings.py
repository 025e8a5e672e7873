"""The settings of the scheduler, from environment variables."""

from typing import Literal

import msgspec

from events import Guest
from infra.runtime.settings import Misconfigured
from services.scheduler.fleet.history_limits import HistoryLimits
from services.scheduler.fleet.plan import Policy
from services.scheduler.fleet.worker_machine import WorkerConfig


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Read once, in `__main__`, and passed down."""

    nats_url: str
    nats_credentials: str
    event_keys: str
    events_unsigned_up_to: int = 0
    fly_api_base_url: str
    """URL of the Machines API."""
    fly_api_token: str
    """Token for the Machines API."""
    fly_app: str
    """App in which machines are created."""
    worker_image: str
    """Container image of workers."""
    gateway_url: str
    """URL under which workers reach the broker."""
    claim_secret: str
    fly_regions: str = "iad"
    """Regions to create machines in, preferred first, separated by commas."""
    machine_cpu_kind: Literal["shared", "performance"] = "shared"
    """Kind of CPU of a machine."""
    machine_cpus: int = 2
    """CPUs of a machine."""
    machine_memory_mb: int = 2048
    """Memory of a machine."""
    machine_seconds: float = 4 * 3600.0
    worker_sandbox: str = "auto"
    """SANDBOX of each worker."""
    worker_patience_seconds: float = 1800.0
    """PATIENCE_SECONDS of each worker."""
    sandbox_image: str = ""
    toolchain_paths: str = ""
    egress_registries: str = ""
    heartbeat_silence_seconds: float = 30.0
    """Silence after which a machine is taken for lost."""
    start_seconds: float = 120.0
    """Time within which a new machine must send its first heartbeat."""
    retry_backoff_seconds: str = "1,30,120"
    """Waits before each next attempt, separated by commas; the last one repeats."""
    max_attempts: int = 3
    """Attempts per task; those that an outage ended are not counted."""
    outage_seconds: float = 4 * 3600.0
    """Time from the first to the newest attempt lost to an outage after which the task is
    abandoned.
    """
    max_refusals: int = 8
    """Refusals of the Machines API after which a task is abandoned."""
    tasks_per_account: int = 5
    """Tasks of one account that may have a machine at the same time."""
    tasks_at_once: int = 50
    """Tasks that may have a machine at the same time."""
    history_bytes_per_task: int = 256 * 1024 * 1024
    """Bytes of messages of one task in the log; above, the task is ended."""
    history_invalid_messages_per_task: int = 200
    """Messages of one task that are not events; above, the task is ended."""
    log_level: str = "INFO"
    grace_seconds: float = 20.0
    metrics_port: int = 0
    otel_exporter_otlp_endpoint: str = ""

    def policy(self) -> Policy:
        """Return the policy of the fleet. Raises Misconfigured."""
        return Policy(
            regions=_listed("FLY_REGIONS", self.fly_regions),
            guest=Guest(self.machine_cpu_kind, self.machine_cpus, self.machine_memory_mb),
            silence_seconds=self.heartbeat_silence_seconds,
            start_seconds=self.start_seconds,
            machine_seconds=self.machine_seconds,
            backoff_seconds=_seconds("RETRY_BACKOFF_SECONDS", self.retry_backoff_seconds),
            attempts=self.max_attempts,
            outage_seconds=self.outage_seconds,
            refusals=self.max_refusals,
            tasks_per_account=self.tasks_per_account,
            tasks_at_once=self.tasks_at_once,
        )

    def history_limits(self) -> HistoryLimits:
        """Return how much one task may put into the log."""
        return HistoryLimits(
            size_bytes=self.history_bytes_per_task,
            invalid_messages=self.history_invalid_messages_per_task,
        )

    def worker_config(self) -> WorkerConfig:
        """Return the configuration that all workers share."""
        return WorkerConfig(
            image=self.worker_image,
            gateway_url=self.gateway_url,
            claim_secret=self.claim_secret,
            sandbox=self.worker_sandbox,
            patience_seconds=self.worker_patience_seconds,
            sandbox_image=self.sandbox_image,
            toolchain_paths=self.toolchain_paths,
            egress_registries=self.egress_registries,
            log_level=self.log_level,
        )


def _listed(name: str, text: str) -> tuple[str, ...]:
    """Read a comma list. Raises Misconfigured when nothing is in it."""
    parts = tuple(part.strip() for part in text.split(",") if part.strip())
    if not parts:
        raise Misconfigured(
            f"{name} is empty. Give at least one value; see docs/reference/configuration.md."
        )
    return parts


def _seconds(name: str, text: str) -> tuple[float, ...]:
    """Read a comma list of numbers. Raises Misconfigured."""
    try:
        return tuple(float(part) for part in _listed(name, text))
    except ValueError:
        raise Misconfigured(
            f'{name} is no list of seconds. Write it as "1,30,120"; '
            "see docs/reference/configuration.md."
        ) from None
