"""Carries commands out: read the history, decide, append; after a lost race, once more."""

from typing import Final
from uuid import UUID

import msgspec

from events import CommandId, GatewayEvent, History, TaskId, task_id
from events.protocol.api.sessions import Scope
from infra.log.event_log import Conflict, EventLog, Unavailable
from infra.log.event_log import Refused as LogRefused
from infra.runtime.clock import DraftFactory
from services.gateway.problems import not_found, refused, unavailable
from services.gateway.queries.log_capacity import LogCapacity
from services.gateway.queries.task_cache import TaskCache
from services.gateway.tasks.access import Principal, history_for, require
from services.gateway.tasks.requests import RequestDecoder
from services.gateway.tasks.task import Submit, decide

_TRIES: Final = 8
_SCOPES: Final[dict[str, Scope]] = {"approve": "approve"}
"""The scope a command needs; `write` where nothing stands."""


class CommandResult(msgspec.Struct, frozen=True):
    """The answer to a command: the task, and the version at which the command stands in it."""

    task: TaskId
    version: int


class CommandHandler:
    """What people may ask, over HTTP and over the stream."""

    def __init__(
        self,
        log: EventLog[GatewayEvent],
        *,
        recall: TaskCache,
        terms: RequestDecoder,
        draft_factory: DraftFactory,
        room: LogCapacity | None = None,
    ) -> None:
        self._log = log
        self._recall = recall
        self._terms = terms
        self._draft_factory = draft_factory
        self._room = room

    async def perform(
        self,
        principal: Principal,
        task: TaskId | None,
        *,
        command_id: str,
        op: str,
        arguments: bytes,
    ) -> CommandResult:
        """Carry one command out; answer only after its fact is stored.

        `op` is submit (without a task), or one of those services.gateway.tasks.requests reads;
        `arguments` its JSON body; `command_id` a UUID, the same when the same command is said
        again. Raises Refused, whose `problem` says why; 403 when the key shown has not the scope
        for it, 503 when the log does not answer or has no room for a new task (saying it again with
        the same id is safe), 409 when the task's history is full.
        """
        require(principal, _SCOPES.get(op, "write"))
        cause = parse_command_id(command_id)
        command = self._terms.read(op, arguments, self._draft_factory.now())
        if isinstance(command, Submit):
            history = History(principal.account, task_id(principal.account, cause))
        elif task is None:
            raise not_found()
        else:
            history = history_for(principal, task)
        for _ in range(_TRIES):
            known = await self._recall.task(history)
            decision = decide(command, known.task, cause=cause)
            if not decision.facts:
                return CommandResult(history.task, decision.version)
            if self._room is not None and isinstance(command, Submit):
                await self._room.require()
            drafts = self._draft_factory.drafts(decision.facts, by=principal.by, cause=cause)
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


def parse_command_id(text: str) -> CommandId:
    """Read a command id. Raises Refused (400) when it is not a UUID in its usual spelling."""
    try:
        command = UUID(text)
    except ValueError:
        command = None
    if command is None or str(command) != text.lower():
        raise refused(
            400,
            "command_id_invalid",
            "A command needs an id of its own, a UUID like 0198c5a2-6b1e-7d3f-9a51-3c6f0d2b8e11: "
            "in the header Idempotency-Key, or as `id` on the stream.",
        )
    return CommandId(str(command))
