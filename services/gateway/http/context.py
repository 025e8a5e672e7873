"""Context of the routes: the parts of the gateway that they use."""

from dataclasses import dataclass

from events import GatewayEvent
from events.protocol.api.server import ServerInfo
from infra.log.event_log import EventLog
from infra.runtime.clock import Clock
from services.gateway.accounts.assembly import Accounts
from services.gateway.broker.records import BrokerRecords
from services.gateway.commands.attachments import Attachments
from services.gateway.commands.command_handler import CommandHandler
from services.gateway.http.serving.readiness import Readiness
from services.gateway.push.assembly import Push
from services.gateway.queries.artifacts import Artifacts
from services.gateway.queries.precedents import PrecedentQueries
from services.gateway.queries.shared_tasks import SharedTasks
from services.gateway.queries.shares import Shares
from services.gateway.queries.task_queries import TaskQueries
from services.gateway.queries.usage_queries import UsageQueries
from services.gateway.queries.work_changes import WorkChangeQueries
from services.gateway.stores.environment_packs import EnvironmentPacks
from services.gateway.stores.environments import EnvironmentStore
from services.gateway.stores.object_store import Storage
from services.gateway.stores.rate_limiter import RateLimiter
from services.gateway.stores.recent_choices import RecentChoices
from services.gateway.stores.seen_cursors import SeenCursorStore
from services.gateway.stores.templates import TemplateStore
from services.gateway.tasks.event_feed import Feeds
from services.gateway.tasks.repository_url import Forge


@dataclass(frozen=True)
class TaskContext:
    """The parts used by the routes of tasks: the log, commands, queries, and stored objects."""

    log: EventLog[GatewayEvent]
    commands: CommandHandler
    states: TaskQueries
    usage: UsageQueries
    artifacts: Artifacts
    changes: WorkChangeQueries
    precedents: PrecedentQueries
    attachments: Attachments
    feeds: Feeds
    storage: Storage
    shares: Shares
    shared: SharedTasks


@dataclass(frozen=True)
class GatewayContext:
    """The parts used by the routes, one field per part of the gateway."""

    tasks: TaskContext
    accounts: Accounts
    records: BrokerRecords
    push: Push
    seen: SeenCursorStore
    templates: TemplateStore
    recents: RecentChoices
    environments: EnvironmentStore
    packs: EnvironmentPacks
    limits: RateLimiter
    about: ServerInfo
    readiness: Readiness
    clock: Clock
    forges: tuple[Forge, ...]
    public_url: str
    operator_token: str
    allowed_origins: tuple[str, ...]
