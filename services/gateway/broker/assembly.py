"""Composition of the broker from its settings and dependencies."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import httpx

from infra.log.event_mac import EventKeys
from infra.log.nats_users import Signer
from infra.runtime.clock import Clock
from infra.runtime.settings import Misconfigured
from services.gateway.accounts.tokens import Digests, Entropy
from services.gateway.broker.attempts import Attempts, CredentialSettings
from services.gateway.broker.background.maintenance import Maintenance, Reconcile
from services.gateway.broker.background.tasks import BackgroundTasks, background
from services.gateway.broker.blob_quota import BlobQuota
from services.gateway.broker.forge.access import ForgeAccess
from services.gateway.broker.forge.api import ForgeApi
from services.gateway.broker.forge.credentials import ForgeCredentials
from services.gateway.broker.forge.github_app import GitHubApp
from services.gateway.broker.git.proxy import GitProxy
from services.gateway.broker.grants import Grants
from services.gateway.broker.kill_switches import KillSwitches
from services.gateway.broker.model.keys import ModelKeys
from services.gateway.broker.model.ledger import Ledger
from services.gateway.broker.model.provider_report import Reconciliation, UsageReport
from services.gateway.broker.model.proxy import ModelProxy, Upstream
from services.gateway.broker.secrets.key_encryption import read_keys
from services.gateway.broker.secrets.public_key import publish
from services.gateway.broker.secrets.vault import Vault
from services.gateway.broker.settings import BrokerSettings, microusd
from services.gateway.queries.task_cache import TaskCache
from services.gateway.stores.database import Pool
from services.gateway.stores.environment_packs import EnvironmentPacks
from services.gateway.stores.environments import EnvironmentStore
from services.gateway.stores.object_store import Storage

_GATEWAY_BYTES: Final = 8


@dataclass(frozen=True)
class Broker:
    """The parts of the broker, which know keys."""

    attempts: Attempts
    event_keys: EventKeys
    model: ModelProxy
    git: GitProxy
    forge: ForgeApi
    forges: tuple[ForgeAccess, ...]
    model_kind: str
    switches: KillSwitches
    credentials: ForgeCredentials
    quota: BlobQuota
    storage: Storage
    environments: EnvironmentStore
    packs: EnvironmentPacks
    clock: Clock


@dataclass(frozen=True)
class BrokerDependencies:
    """Dependencies of the broker."""

    pool: Pool
    recall: TaskCache
    digests: Digests
    forges: tuple[ForgeAccess, ...]
    model: httpx.AsyncClient
    forge: httpx.AsyncClient
    clock: Clock
    entropy: Entropy
    event_keys: EventKeys
    storage: Storage


@asynccontextmanager
async def broker(settings: BrokerSettings, parts: BrokerDependencies) -> AsyncIterator[Broker]:
    """Run the broker. Running calls get a grace period to end when the block is left.

    Raises Misconfigured.
    """
    gateway = f"gw_{parts.entropy(_GATEWAY_BYTES).hex()}"
    day = microusd(settings.account_day_budget_usd, "ACCOUNT_DAY_BUDGET_USD")
    ledger = Ledger(parts.pool, gateway=gateway, account_day_microusd=day)
    vault = await _vault(settings.secrets_key_file, parts)
    apps = _apps(parts)
    tokens = {forge.url: forge.token for forge in parts.forges}
    maintenance = Maintenance(ledger, vault, _reconcile(settings, parts, ledger), parts.clock)
    await maintenance.once()  # before the first call: a process without heartbeat counts as dead
    async with background(settings.grace_seconds) as running:
        running.beside(maintenance.run())
        yield Broker(
            attempts=_attempts(settings, parts),
            event_keys=parts.event_keys,
            model=_model(settings, parts, ledger=ledger, vault=vault, running=running),
            git=GitProxy(parts.forge),
            forge=ForgeApi(parts.forge),
            forges=parts.forges,
            model_kind=settings.model_kind,
            switches=KillSwitches(parts.pool),
            credentials=ForgeCredentials(vault, apps, tokens),
            quota=BlobQuota(parts.pool, settings.blob_limits),
            storage=parts.storage,
            environments=EnvironmentStore(parts.pool),
            packs=EnvironmentPacks(
                parts.pool,
                parts.storage,
                parts.clock,
                account_bytes=settings.environment_bytes_per_account,
            ),
            clock=parts.clock,
        )


def _attempts(settings: BrokerSettings, parts: BrokerDependencies) -> Attempts:
    minter = CredentialSettings(
        settings.nats_worker_url,
        Signer(
            settings.nats_workers_account, settings.nats_workers_signing_key.read_text().strip()
        ),
        settings.claim_secret,
        settings.machine_seconds,
    )
    return Attempts(
        Grants(parts.pool, digests=parts.digests, entropy=parts.entropy),
        recall=parts.recall,
        minter=minter,
        clock=parts.clock,
        entropy=parts.entropy,
    )


def _model(
    settings: BrokerSettings,
    parts: BrokerDependencies,
    *,
    ledger: Ledger,
    vault: Vault | None,
    running: BackgroundTasks,
) -> ModelProxy:
    return ModelProxy(
        Upstream(parts.model, settings.model_base_url),
        keys=ModelKeys(vault, settings.model_api_key),
        switches=KillSwitches(parts.pool),
        ledger=ledger,
        background=running,
        clock=parts.clock,
        entropy=parts.entropy,
    )


def _reconcile(
    settings: BrokerSettings, parts: BrokerDependencies, ledger: Ledger
) -> Reconcile | None:
    if not settings.model_admin_key:
        return None
    report = UsageReport(
        parts.model,
        base_url=settings.model_base_url,
        admin_key=settings.model_admin_key,
        key_id=settings.model_key_id,
    )
    return Reconciliation(ledger, report, parts.clock).once


async def _vault(file: str, parts: BrokerDependencies) -> Vault | None:
    """Open the vault, and publish its public key. Without a key file there is neither."""
    keys = read_keys(Path(file), parts.entropy) if file else None
    await publish(parts.pool, keys.public_key if keys else None, parts.digests)
    return Vault(parts.pool, keys, parts.digests) if keys else None


def _apps(parts: BrokerDependencies) -> dict[str, GitHubApp]:
    made = partial(GitHubApp, parts.forge, clock=parts.clock)
    return {
        forge.url: made(app_id=forge.app_id, key=_app_key(forge))
        for forge in parts.forges
        if forge.app_id
    }


def _app_key(forge: ForgeAccess) -> str:
    try:
        return Path(forge.app_key_file).read_text()
    except (OSError, UnicodeDecodeError):
        raise Misconfigured(
            f"FORGES: the `app_key_file` of {forge.url} cannot be read; it is the App's private "
            "key, in PEM."
        ) from None
