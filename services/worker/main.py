"""Composition root: the only place where the worker's parts meet."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import structlog

from events import (
    AccountId,
    History,
    MachineId,
    TaskId,
    heartbeat_subject,
    live_subject,
    task_branch,
)
from events.protocol.broker import ClaimResponse
from events.protocol.heartbeat import Heartbeat
from infra.log.jetstream import AttemptLog, Connection, connect, publish_live
from infra.runtime.clock import DraftFactory, utc_now
from infra.runtime.lifecycle import run_until_signalled
from infra.runtime.sandbox_choice import DEFAULT_IMAGE
from infra.runtime.telemetry import logger, serve_metrics
from infra.runtime.tree_removal import temporary_directory
from services.worker.agent.state import Attempt
from services.worker.agent.text.redaction import Redactor
from services.worker.effects.attempt_end import end_when_over
from services.worker.effects.broker_client import BrokerClient, claim_attempt, gateway_client
from services.worker.effects.environment.cache import BrokerCache
from services.worker.effects.environment.cache_client import CacheClient
from services.worker.effects.environment.preparation import EnvironmentPreparation
from services.worker.effects.heartbeat import HeartbeatSender
from services.worker.effects.images import Images
from services.worker.effects.installed_programs import InstalledPrograms
from services.worker.effects.live_output import LiveOutput
from services.worker.effects.model.client import connect as connect_model
from services.worker.effects.task_history import TaskHistory
from services.worker.effects.worker_context import WorkerContext
from services.worker.loop import drive
from services.worker.ports import Model, SandboxUnavailable
from services.worker.retry import RetryPolicy, RetrySettings
from services.worker.sandbox.backends.unavailable import UnavailableBackend
from services.worker.sandbox.choice import choose_backend
from services.worker.sandbox.egress.proxy import EgressProxy
from services.worker.sandbox.sandbox import BackendSandbox
from services.worker.settings import Settings
from services.worker.workspace.instruction_files import InstructionFiles
from services.worker.workspace.workspace import GitWorkspace, Origin

_log = logger(__name__)


async def main(settings: Settings, redactor: Redactor) -> None:
    """Carry one attempt of one task as far as it goes. What is opened last is closed first.

    Raises ClaimRefused, Unreachable, Unavailable when the attempt cannot begin.
    """
    structlog.contextvars.bind_contextvars(task=settings.task_id, attempt=settings.attempt)
    async with AsyncExitStack() as resources:
        serve_metrics(settings.metrics_port)
        policy = RetrySettings(seconds=settings.patience_seconds)
        retry = RetryPolicy(policy, deadline=settings.deadline)
        gateway = await resources.enter_async_context(gateway_client(settings.gateway_url))
        claimed = await claim_attempt(gateway, settings, retry)
        _log.info("attempt.claimed", reader=claimed.reader, model_kind=claimed.model_kind)
        redactor.add("broker-token", claimed.token)
        redactor.add("nats-credentials", claimed.nats.credentials)
        broker = BrokerClient(gateway, claimed.token, retry=retry)
        model_url = f"{settings.gateway_url.rstrip('/')}/broker/model"
        model = await resources.enter_async_context(
            connect_model(model_url, claimed.token, retry=retry)
        )
        history = History(AccountId(claimed.account), TaskId(settings.task_id))
        nats = await resources.enter_async_context(
            connect(claimed.nats.url, credentials=claimed.nats.credentials, name=claimed.reader)
        )
        told = partial(publish_live, nats, live_subject(history))
        live = LiveOutput(history.task, told, redactor=redactor)
        context = await _open_context(
            resources,
            settings,
            retry,
            claimed=claimed,
            broker=broker,
            live=live,
            model=model,
        )
        attempt = Attempt(
            number=settings.attempt,
            machine=MachineId(settings.fly_machine_id),
            build=settings.build,
            sandbox=context.sandbox.name,
        )
        worker = _Worker(nats, history, attempt, reader=claimed.reader, broker=broker)
        await worker.run(context._replace(redactor=redactor), settings)


async def _open_context(
    resources: AsyncExitStack,
    settings: Settings,
    retry: RetryPolicy,
    *,
    claimed: ClaimResponse,
    broker: BrokerClient,
    live: LiveOutput,
    model: Model,
) -> WorkerContext:
    """Open all that the worker reaches; `resources` closes it."""
    scratch = _scratch(resources, settings)
    egress = EgressProxy(registries=settings.egress_registries.replace(",", " ").split())
    sandbox = await _sandbox(settings, scratch, egress)
    resources.push_async_callback(sandbox.stop)
    origin = _origin(settings, claimed, retry)
    workspace = GitWorkspace(sandbox, broker, origin, scratch=scratch, clock=utc_now)
    resources.push_async_callback(workspace.close)
    cache = BrokerCache(CacheClient(broker), sandbox, kind=sandbox.name, scratch=scratch)
    return WorkerContext(
        model=model,
        sandbox=sandbox,
        workspace=workspace,
        blobs=broker,
        forge=broker,
        instruction_files=InstructionFiles(sandbox),
        live=live,
        images=Images(broker),
        clock=utc_now,
        egress=egress,
        programs=InstalledPrograms(sandbox),
        environment=EnvironmentPreparation(
            sandbox, workspace, broker, cache=cache, egress=egress, live=live
        ),
    )


class _Worker:
    """The attempt's log, heartbeat and loop, side by side."""

    def __init__(
        self,
        nats: Connection,
        history: History,
        attempt: Attempt,
        *,
        reader: str,
        broker: BrokerClient,
    ) -> None:
        self._attempt = attempt
        self._broker = broker
        self._log = AttemptLog(nats, history, reader, verify=broker.verify, asked=self._ask)
        self._task_history: TaskHistory | None = None
        self._beats = HeartbeatSender(
            partial(publish_live, nats, heartbeat_subject(history)),
            self._beat,
            lambda: self._log.is_waiting_for_reader,
        )

    async def run(self, context: WorkerContext, settings: Settings) -> None:
        self._task_history = task_history = TaskHistory(
            self._log,
            self._attempt,
            context.blobs,
            DraftFactory(context.clock),
            redactor=context.redactor,
        )

        async def work(stopping: asyncio.Event) -> None:
            async with self._log, asyncio.TaskGroup() as group:
                beating = group.create_task(self._beats.run())
                over = group.create_task(
                    end_when_over(
                        lambda: self._log.is_waiting_for_reader,
                        self._broker.holds,
                        deadline=settings.deadline,
                        clock=context.clock,
                    )
                )
                await drive(task_history, context, stopping=stopping, deadline=settings.deadline)
                beating.cancel()
                over.cancel()

        await run_until_signalled(work, grace_seconds=settings.grace_seconds)
        _log.info("attempt.at_rest", version=task_history.head.version)

    def _ask(self, reader: int) -> None:
        self._beats.ask(reader)

    def _beat(self) -> Heartbeat:
        return Heartbeat(
            attempt=self._attempt.number,
            machine=self._attempt.machine,
            version=self._task_history.head.version if self._task_history else 0,
            reader=self._log.reader_generation,
        )


def _scratch(resources: AsyncExitStack, settings: Settings) -> Path:
    """Return the directory to work in; one of our own is removed at the end."""
    if settings.work_directory:
        directory = Path(settings.work_directory)
        directory.mkdir(parents=True, exist_ok=True)
        return directory
    return resources.enter_context(temporary_directory("errand-worker-"))


async def _sandbox(settings: Settings, scratch: Path, egress: EgressProxy) -> BackendSandbox:
    try:
        return await choose_backend(
            settings.sandbox,
            task=settings.task_id,
            scratch=scratch,
            image=settings.sandbox_image or DEFAULT_IMAGE,
            toolchain=[Path(p) for p in settings.toolchain_paths.split(":") if p],
            egress=egress,
        )
    except SandboxUnavailable as reason:
        return BackendSandbox(UnavailableBackend(reason))


def _origin(settings: Settings, claimed: ClaimResponse, retry: RetryPolicy) -> Origin:
    return Origin(
        url=f"{settings.gateway_url.rstrip('/')}/broker/git/{settings.task_id}.git",
        token=claimed.token,
        branch=task_branch(TaskId(settings.task_id)),
        retry=retry,
    )
