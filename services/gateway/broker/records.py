"""The broker's records that people and the operator see and set. Nothing here knows a key."""

import secrets
from dataclasses import dataclass

from infra.runtime.clock import Clock
from services.gateway.accounts.tokens import Digests
from services.gateway.broker.kill_switches import KillSwitches
from services.gateway.broker.model.account_usage import AccountUsage
from services.gateway.broker.secrets.store import SecretStore
from services.gateway.broker.settings import SharedSettings, microusd
from services.gateway.stores.database import Pool


@dataclass(frozen=True)
class BrokerRecords:
    """Spending, kill switches, and the store of secrets, all in Postgres."""

    spending: AccountUsage
    switches: KillSwitches
    secrets: SecretStore


def broker_records(settings: SharedSettings, pool: Pool, clock: Clock) -> BrokerRecords:
    """Build the records. Raises Misconfigured."""
    day = microusd(settings.account_day_budget_usd, "ACCOUNT_DAY_BUDGET_USD")
    digests = Digests(settings.claim_secret)
    return BrokerRecords(
        spending=AccountUsage(pool, account_day_microusd=day),
        switches=KillSwitches(pool),
        secrets=SecretStore(pool, digests, clock=clock, entropy=secrets.token_bytes),
    )
