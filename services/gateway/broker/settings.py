"""Settings of the broker: the model, its budgets, and the credentials of workers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from infra.runtime.settings import Misconfigured
from services.gateway.broker.blob_quota import BlobLimits

_MAX_USD: Final = 10_000


@dataclass(frozen=True, kw_only=True, repr=False)
class BrokerSettings:
    """What workers reach through the broker, and how much of it."""

    claim_secret: str
    machine_seconds: float = 4 * 3600.0
    model_base_url: str
    model_api_key: str = ""
    model_admin_key: str = ""
    model_key_id: str = ""
    model_kind: Literal["anthropic", "rehearsal"] = "anthropic"
    account_day_budget_usd: float = 50.0
    secrets_key_file: str = ""
    nats_worker_url: str
    nats_workers_account: str
    nats_workers_signing_key: Path
    blobs_per_task: int = 10_000
    blob_bytes_per_task: int = 8 * 2**30
    grace_seconds: float = 20.0

    @property
    def blob_limits(self) -> BlobLimits:
        """Limits on what one task may keep in the object store."""
        return BlobLimits(blobs=self.blobs_per_task, size_bytes=self.blob_bytes_per_task)


def microusd(dollars: float, name: str) -> int:
    """Read a budget in US dollars; 0 means no limit. Raises Misconfigured."""
    if not 0 <= dollars <= _MAX_USD:
        raise Misconfigured(f"{name} is in US dollars, from 0 (no limit) to {_MAX_USD}.")
    return round(dollars * 1_000_000)
