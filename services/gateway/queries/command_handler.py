"""Carries commands out: read the history, decide, append; after a lost race, once more."""

from typing import Final

import msgspec

from events import CommandId, GatewayEvent, History, TaskId, task_id
from events.protocol.api.requests import CommandRequest
from infra.log.event_log import Conflict, EventLog, Unavailable
from infra.log.event_log import Refused as LogRefused
from infra.runtime.clock import DraftFactory
from services.gateway.problems import not_found, refused, unavailable
from services.gateway.queries.log_capacity import LogCapacity
from services.gateway.queries.task_cache import TaskCache
from services.gateway.tasks.access import Principal, history_for, require
from services.gateway.tasks.commands import scope_of
from services.gateway.tasks.request_validation import SubmissionRules, to_command
from services.gateway.tasks.task import Submit, decide

_TRIES: Final = 8


class CommandResult(msgspec.Struct, frozen=True):
    """The answer to a command: the task, and the version at which the command stands in it."""

    task: TaskId
    version: int


class CommandHandler:
    """Handler of the commands that come over HTTP and the stream."""

    def __init__(
        self,
        log: EventLog[GatewayEvent],
        *,
        recall: TaskCache,
        rules: SubmissionRules,
        draft_factory: DraftFactory,
        room: LogCapacity | None = None,
    ) -> None:
        self._log = log
        self._recall = recall
        self._rules = rules
        self._draft_factory = draft_factory
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

        `task` is None for a new one; `command_id` is the same when the same command is sent again.
        Raises Refused, whose `problem` says why: 403 when the key shown has not the scope for it,
        422 for a value that is not allowed, 503 when the log does not answer or has no room for a
        new task (sending it again with the same id is safe), 409 when the task's history is full.
        """
        require(principal, scope_of(request))
        command = to_command(request, self._rules, self._draft_factory.now())
        if isinstance(command, Submit):
            history = History(principal.account, task_id(principal.account, command_id))
        elif task is None:
            raise not_found()
        else:
            history = history_for(principal, task)
        for _ in range(_TRIES):
            known = await self._recall.task(history)
            decision = decide(command, known.task, cause=command_id)
            if not decision.facts:
                return CommandResult(history.task, decision.version)
            if self._room is not None and isinstance(command, Submit):
                await self._room.require()
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
            return CommandResult(history.task, head.version)
        raise unavailable("The task is very busy just now.", retry_after_seconds=1)
