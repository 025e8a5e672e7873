"""Context of the routes: the parts of the gateway that they use."""

from dataclasses import dataclass

from events import GatewayEvent
from events.protocol.api.server import ServerInfo
from infra.log.event_log import EventLog
from services.gateway.accounts.assembly import Accounts
from services.gateway.broker.assembly import Broker
from services.gateway.http.serving.readiness import Readiness
from services.gateway.push.assembly import Push
from services.gateway.queries.artifacts import Artifacts
from services.gateway.queries.command_handler import CommandHandler
from services.gateway.queries.task_queries import TaskQueries
from services.gateway.queries.usage_queries import UsageQueries
from services.gateway.stores.object_store import Storage
from services.gateway.stores.rate_limiter import RateLimiter
from services.gateway.tasks.event_feed import Feeds


@dataclass(frozen=True)
class TaskContext:
    """The parts used by the routes of tasks: the log, commands, queries, and stored objects."""

    log: EventLog[GatewayEvent]
    commands: CommandHandler
    states: TaskQueries
    usage: UsageQueries
    artifacts: Artifacts
    feeds: Feeds
    storage: Storage


@dataclass(frozen=True)
class GatewayContext:
    """The parts used by the routes, one field per part of the gateway."""

    tasks: TaskContext
    accounts: Accounts
    broker: Broker
    push: Push
    limits: RateLimiter
    about: ServerInfo
    readiness: Readiness
    public_url: str
    operator_token: str
    allowed_origins: tuple[str, ...]
