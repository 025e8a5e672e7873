"""The gateway's parts, as its routes are handed them."""

from dataclasses import dataclass

import msgspec

from events import GatewayEvent
from infra.clock import Clock
from infra.event_log import EventLog
from infra.event_mac import EventKeys
from services.gateway.accounts.people import People
from services.gateway.accounts.wiring import Accounts
from services.gateway.artifacts import Artifacts
from services.gateway.broker.attempts import Attempts
from services.gateway.broker.blob_quota import BlobQuota
from services.gateway.broker.credentials import ForgeCredentials
from services.gateway.broker.forge_api import ForgeApi
from services.gateway.broker.git_proxy import GitProxy
from services.gateway.broker.model_proxy import ModelProxy
from services.gateway.broker.switches import Switches
from services.gateway.broker.usage import Spending
from services.gateway.broker.vault import Vault
from services.gateway.commands import Commands
from services.gateway.feeds import Feeds
from services.gateway.limits import Limits
from services.gateway.push.wiring import Push
from services.gateway.readiness import Readiness
from services.gateway.reading import Reading
from services.gateway.repository_url import Forge
from services.gateway.states import States
from services.gateway.storage import Storage


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
    switches: Switches
    credentials: ForgeCredentials
    spending: Spending
    quota: BlobQuota
    vault: Vault | None
    clock: Clock


@dataclass(frozen=True)
class House:
    """Everything the routes need."""

    log: EventLog[GatewayEvent]
    artifacts: Artifacts
    people: People
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
