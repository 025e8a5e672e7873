"""The configuration of a worker's machine. Pure; it holds no secret but the one-time code."""

from datetime import datetime

import msgspec

from events import History
from infra.runtime.machine_claim import claim_code
from services.scheduler.fleet.machine import MachineSpec
from services.scheduler.fleet.state import Attempt

OWNER = "errand-scheduler"


class WorkerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration that all workers share."""

    image: str
    gateway_url: str
    claim_secret: str
    sandbox: str = "auto"
    patience_seconds: float = 1800.0
    sandbox_image: str = ""
    toolchain_paths: str = ""
    egress_registries: str = ""
    log_level: str = ""
    stop_seconds: int = 30


def metadata_of(history: History, attempt: Attempt) -> dict[str, str]:
    """Return the metadata by which an attempt's machine can be found in the Machines API."""
    return {"owner": OWNER, "task": history.task, "attempt": str(attempt.number)}


def machine_spec(history: History, attempt: Attempt, worker_config: WorkerConfig) -> MachineSpec:
    """Return the machine to create for an attempt; the same attempt always gives the same."""
    deadline = _timestamp(attempt.deadline)
    env = {
        "TASK_ID": history.task,
        "ACCOUNT_ID": history.account,
        "ATTEMPT": str(attempt.number),
        "CLAIM_CODE": claim_code(worker_config.claim_secret, history.task, attempt.number),
        "GATEWAY_URL": worker_config.gateway_url,
        "DEADLINE": deadline,
        "SANDBOX": worker_config.sandbox,
        "PATIENCE_SECONDS": f"{worker_config.patience_seconds:g}",
        "SANDBOX_IMAGE": worker_config.sandbox_image,
        "TOOLCHAIN_PATHS": worker_config.toolchain_paths,
        "EGRESS_REGISTRIES": worker_config.egress_registries,
        "LOG_LEVEL": worker_config.log_level,
    }
    return MachineSpec(
        name=attempt.name,
        region=attempt.region,
        image=worker_config.image,
        guest=attempt.guest,
        env={name: value for name, value in env.items() if value},
        metadata={**metadata_of(history, attempt), "deadline": deadline},
        stop_seconds=worker_config.stop_seconds,
    )


def _timestamp(moment: datetime) -> str:
    """Return a time in RFC 3339, to the second."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
