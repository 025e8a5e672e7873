"""What a worker's machine is made of and told. Pure; no secret in it but the one-time code."""

from datetime import datetime

import msgspec

from events import History
from infra.runtime.machine_claim import claim_code
from services.scheduler.fleet.fleet import Attempt
from services.scheduler.fleet.machine import Wanted

OWNER = "errand-scheduler"


class WorkerTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What all workers have in common."""

    image: str
    gateway_url: str
    claim_secret: str
    sandbox: str = "auto"
    patience_seconds: float = 1800.0
    sandbox_image: str = ""
    toolchain_paths: str = ""
    log_level: str = ""
    stop_seconds: int = 30


def metadata_of(history: History, attempt: Attempt) -> dict[str, str]:
    """Say whose machine it is, in words that the Machines API can be asked for."""
    return {"owner": OWNER, "task": history.task, "attempt": str(attempt.number)}


def wanted(history: History, attempt: Attempt, terms: WorkerTerms) -> Wanted:
    """Spell the machine of an attempt; the same attempt always gives the same."""
    deadline = _timestamp(attempt.deadline)
    env = {
        "TASK_ID": history.task,
        "ACCOUNT_ID": history.account,
        "ATTEMPT": str(attempt.number),
        "CLAIM_CODE": claim_code(terms.claim_secret, history.task, attempt.number),
        "GATEWAY_URL": terms.gateway_url,
        "DEADLINE": deadline,
        "SANDBOX": terms.sandbox,
        "PATIENCE_SECONDS": f"{terms.patience_seconds:g}",
        "SANDBOX_IMAGE": terms.sandbox_image,
        "TOOLCHAIN_PATHS": terms.toolchain_paths,
        "LOG_LEVEL": terms.log_level,
    }
    return Wanted(
        name=attempt.name,
        region=attempt.region,
        image=terms.image,
        guest=attempt.guest,
        env={name: value for name, value in env.items() if value},
        metadata={**metadata_of(history, attempt), "deadline": deadline},
        stop_seconds=terms.stop_seconds,
    )


def _timestamp(moment: datetime) -> str:
    """Spell a time in RFC 3339, to the second."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
