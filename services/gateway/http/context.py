"""The gateway's parts, as its routes are handed them."""

from dataclasses import dataclass

import msgspec

from events import GatewayEvent
from infra.log.event_log import EventLog
from infra.log.event_mac import EventKeys
from infra.runtime.clock import Clock
from services.gateway.accounts.assembly import Accounts
from services.gateway.accounts.authentication import Authenticator
from services.gateway.artifacts import Artifacts
from services.gateway.broker.account_usage import AccountUsage
from services.gateway.broker.attempts import Attempts
from services.gateway.broker.blob_quota import BlobQuota
from services.gateway.broker.forge.api import ForgeApi
from services.gateway.broker.forge.credentials import ForgeCredentials
from services.gateway.broker.git.proxy import GitProxy
from services.gateway.broker.kill_switches import KillSwitches
from services.gateway.broker.model.proxy import ModelProxy
from services.gateway.broker.secrets.vault import Vault
from services.gateway.http.serving.readiness import Readiness
from services.gateway.push.assembly import Push
from services.gateway.queries.command_handler import Commands
from services.gateway.queries.task_queries import States
from services.gateway.queries.usage_queries import Reading
from services.gateway.stores.object_store import Storage
from services.gateway.stores.rate_limiter import Limits
from services.gateway.tasks.event_feed import Feeds
from services.gateway.tasks.repository_url import Forge


class ModelOffered(msgspec.Struct, frozen=True):
    """Which model answers when none is named, and what kind of server it is."""

    kind: str
    name: str


class ForgeOffered(msgspec.Struct, frozen=True):
    """A forge whose repositories may be named."""

    kind: str
    url: str


class About(msgspec.Struct, frozen=True):
    """What this house offers."""

    model: ModelOffered
    forges: tuple[ForgeOffered, ...]
    version: str
    ways_in: tuple[str, ...] = ("code",)


@dataclass(frozen=True)
class Broker:
    """What workers reach: the parts that know keys. Without a key file there is no vault."""

    attempts: Attempts
    event_keys: EventKeys
    model: ModelProxy
    git: GitProxy
    forge: ForgeApi
    forges: tuple[Forge, ...]
    model_kind: str
    switches: KillSwitches
    credentials: ForgeCredentials
    spending: AccountUsage
    quota: BlobQuota
    vault: Vault | None
    clock: Clock


@dataclass(frozen=True)
class House:
    """Everything the routes need."""

    log: EventLog[GatewayEvent]
    artifacts: Artifacts
    people: Authenticator
    accounts: Accounts
    commands: Commands
    states: States
    reading: Reading
    feeds: Feeds
    storage: Storage
    limits: Limits
    broker: Broker
    push: Push
    about: About
    public_url: str
    operator_token: str
    allowed_origins: tuple[str, ...]
    readiness: Readiness
