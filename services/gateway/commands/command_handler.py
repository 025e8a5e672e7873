"""Carries commands out: read the history, decide, append; after a lost race, once more."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from events import (
    AccountId,
    CommandId,
    EnvironmentDefinition,
    GatewayEvent,
    History,
    TaskId,
    task_id,
)
from events.protocol.api.requests import (
    AttachmentRequest,
    CommandRequest,
    ForkRequest,
    InstructionRequest,
    TaskRequest,
)
from infra.log.event_log import Conflict, EventLog, Unavailable
from infra.log.event_log import Refused as LogRefused
from infra.runtime.clock import DraftFactory
from services.gateway.commands.attachments import Attachments, PreparedAttachment
from services.gateway.commands.fork.preparation import ForkPreparation, PreparedFork
from services.gateway.commands.log_capacity import LogCapacity
from services.gateway.problems import Refused, not_found, refused, unavailable
from services.gateway.queries.task_cache import TaskCache
from services.gateway.tasks.access import Principal, history_for, require
from services.gateway.tasks.command_declarations import scope_of
from services.gateway.tasks.messages.attachments import repeated
from services.gateway.tasks.request_validation import SubmissionRules, to_command
from services.gateway.tasks.task import Command, Instruct, Submit, decide

_TRIES: Final = 8


EnvironmentSettings = Callable[[AccountId, str], Awaitable[EnvironmentDefinition | None]]
"""Lookup of an account's settings for a repository's environment."""


class CommandResult(msgspec.Struct, frozen=True):
    """The answer to a command: the task, and the version at which the command stands in it."""

    task: TaskId
    version: int


class _Prepared(NamedTuple):
    """A command to a history, and what is stored in the object store before its event."""

    history: History
    command: Command
    images: Sequence[PreparedAttachment] = ()
    fork: PreparedFork | None = None


class CommandHandler:
    """Handler of the commands that come over HTTP and the stream."""

    def __init__(  # noqa: PLR0913 - the parts of what it does, all named
        self,
        log: EventLog[GatewayEvent],
        *,
        recall: TaskCache,
        attachments: Attachments,
        forks: ForkPreparation,
        rules: SubmissionRules,
        draft_factory: DraftFactory,
        settings: EnvironmentSettings | None = None,
        room: LogCapacity | None = None,
    ) -> None:
        self._log = log
        self._recall = recall
        self.attachments = attachments
        self._forks = forks
        self._rules = rules
        self._draft_factory = draft_factory
        self._settings = settings
        self._room = room

    async def perform(
        self,
        principal: Principal,
        task: TaskId | None,
        *,
        command_id: CommandId,
        request: CommandRequest,
    ) -> CommandResult:
        """Execute one command; return only after its event is stored.

        `task` is None for a new one, and for a fork the task that it begins from; `command_id` is
        the same when the same command is sent again.
        Raises Refused, whose `problem` says why: 403 when the key shown has not the scope for it,
        422 for a value that is not allowed, 503 when the log does not answer or has no room for a
        new task (sending it again with the same id is safe), 409 when the task's history is full.
        """
        require(principal, scope_of(request))
        prepared = await self._command(principal, task, command_id, request)
        history, command, images, fork = prepared
        for _ in range(_TRIES):
            known = await self._recall.task(history)
            decision = decide(command, known.task, cause=command_id)
            if not decision.facts:
                return CommandResult(history.task, decision.version)
            if self._room is not None and isinstance(command, Submit):
                await self._room.require()
            await self.attachments.store(images)
            await self._forks.store(fork)
            drafts = self._draft_factory.drafts(decision.facts, by=principal.by, cause=command_id)
            try:
                head = await self._log.append(history, drafts, after=known.head)
            except Conflict:
                continue
            except LogRefused as refusal:
                raise refused(409, "not_storable", f"The task takes no more: {refusal}") from None
            except Unavailable:
                raise unavailable(
                    "The event log does not answer at the moment; whether the command was stored "
                    "is not known. Send it again with the same id."
                ) from None
            await self.attachments.discard(history.account, images)
            return CommandResult(history.task, head.version)
        raise unavailable("The task is very busy just now.", retry_after_seconds=1)

    async def _command(
        self,
        principal: Principal,
        task: TaskId | None,
        command_id: CommandId,
        request: CommandRequest,
    ) -> _Prepared:
        history = History(principal.account, task_id(principal.account, command_id))
        fork = None
        if isinstance(request, ForkRequest):
            first = (await self._recall.task(history)).task.settled.get(command_id)
            source = _existing(principal, task)
            fork = await self._forks.prepare(
                request, source, history.task, first.fact if first else None
            )
            command: Command = fork.submission
        else:
            command = to_command(request, self._rules, self._draft_factory.now())
            if not isinstance(command, Submit):
                history = _existing(principal, task)
        if isinstance(command, Submit):
            command = await self._with_environment(history, command)
        images: Sequence[PreparedAttachment] = ()
        if isinstance(command, Submit | Instruct) and (wanted := _wanted(request)):
            images = await self._prepare(history, command_id, wanted)
            command = replace(command, attachments=tuple(each.reference for each in images))
        return _Prepared(history, command, images, fork)

    async def _with_environment(self, history: History, command: Submit) -> Submit:
        """Return a submission with the account's settings of its repository, if it needs them.

        Raises Refused (503): without them the task could reach what the account forbids.
        """
        if command.environment is not None or self._settings is None:
            return command
        kept = await self._settings(history.account, command.repository.url)
        if kept is None:
            return command
        return replace(command, environment=kept, environment_source="account")

    async def _prepare(
        self, history: History, command_id: CommandId, wanted: Sequence[AttachmentRequest]
    ) -> Sequence[PreparedAttachment]:
        """Read the images that a message names; of one that is stored already, what it has.

        Its uploads are gone then. Raises Refused (422) when one is not there.
        """
        known = await self._stored(history, command_id, wanted)
        if known is not None:
            return known
        try:
            return await self.attachments.prepare(history, wanted)
        except Refused:
            known = await self._stored(history, command_id, wanted)
            if known is None:
                raise
            return known  # the same command, sent twice at once

    async def _stored(
        self, history: History, command_id: CommandId, wanted: Sequence[AttachmentRequest]
    ) -> Sequence[PreparedAttachment] | None:
        """Return what a command's event has of these images; None when there is no event."""
        settled = (await self._recall.task(history)).task.settled.get(command_id)
        if settled is None:
            return None
        return [PreparedAttachment(each, b"") for each in repeated(settled.fact, wanted)]


def _wanted(request: CommandRequest) -> tuple[AttachmentRequest, ...]:
    if isinstance(request, TaskRequest | ForkRequest | InstructionRequest):
        return request.attachments
    return ()


def _existing(principal: Principal, task: TaskId | None) -> History:
    if task is None:
        raise not_found()
    return history_for(principal, task)
