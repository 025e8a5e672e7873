"""Settings of the broker: the model, its budgets, and the credentials of workers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from infra.runtime.settings import Misconfigured
from services.gateway.broker.blob_quota import BlobLimits

_MAX_USD: Final = 10_000


@dataclass(frozen=True, kw_only=True, repr=False)
class SharedSettings:
    """Settings that the gateway's process and the broker's both read, with the same values."""

    claim_secret: str
    """Secret from which one-time codes of machines and digests of tokens are derived; gateway,
    broker and scheduler share it.
    """
    model_kind: Literal["anthropic", "rehearsal"] = "anthropic"
    """Real model, or the rehearsal model of a local stack."""
    account_day_budget_usd: float = 50.0
    """Sum that an account may spend per day unless it sets another; 0 means no limit."""
    grace_seconds: float = 20.0
    """Time that open work gets at a stop before it is cut off."""


@dataclass(frozen=True, kw_only=True, repr=False)
class BrokerSettings(SharedSettings):
    """Model, forges, workers' credentials and their limits. Only the broker reads these."""

    machine_seconds: float = 4 * 3600.0
    """Longest life of a machine and of its credentials; broker and scheduler share it."""
    model_base_url: str
    """URL of a server that speaks the Messages API."""
    model_api_key: str = ""
    """Key of this installation at the model provider."""
    model_admin_key: str = ""
    """The provider's admin key, to settle calls by its usage report."""
    model_key_id: str = ""
    """Id of MODEL_API_KEY at the provider, when the organization has several keys."""
    secrets_key_file: str = ""
    """File of keys that encrypt accounts' secrets, one per line, the first one current; without it
    accounts can store none.
    """
    nats_worker_url: str
    """NATS URL given to workers."""
    nats_workers_account: str
    """Public key of the NATS account in which workers are users."""
    nats_workers_signing_key: Path
    """File with the signing key of that account."""
    blobs_per_task: int = 10_000
    """Objects that one task may store."""
    blob_bytes_per_task: int = 8 * 2**30
    """Bytes that one task may store in objects."""
    environment_bytes_per_account: int = 20 * 2**30
    """Bytes of packs of set-ups that are kept for an account; the least recently used go first."""

    @property
    def blob_limits(self) -> BlobLimits:
        """Limits on what one task may keep in the object store."""
        return BlobLimits(blobs=self.blobs_per_task, size_bytes=self.blob_bytes_per_task)


def microusd(dollars: float, name: str) -> int:
    """Read a budget in US dollars; 0 means no limit. Raises Misconfigured."""
    if not 0 <= dollars <= _MAX_USD:
        raise Misconfigured(f"{name} is in US dollars, from 0 (no limit) to {_MAX_USD}.")
    return round(dollars * 1_000_000)
