"""Commands on the stream: a `cmd` frame is decoded once, executed, and answered by ack or nak."""

from typing import Protocol

from events import CommandId, TaskId
from events.protocol import frames
from events.protocol.api.requests import CommandRequest
from services.gateway.problems import Refused, not_found
from services.gateway.tasks.access import Principal, is_task_id, require
from services.gateway.tasks.command_declarations import decode_frame, parse_command_id, scope_of


class CommandResult(Protocol):
    """Task and version of a command's events."""

    @property
    def task(self) -> TaskId: ...  # noqa: D102
    @property
    def version(self) -> int: ...  # noqa: D102


class CommandHandler(Protocol):
    """Executes a command once and returns its result. Raises Refused."""

    async def __call__(  # noqa: D102
        self,
        principal: Principal,
        task: TaskId | None,
        *,
        command_id: CommandId,
        request: CommandRequest,
    ) -> CommandResult: ...


async def answer_command(
    perform: CommandHandler, principal: Principal, frame: frames.Cmd
) -> frames.Ack | frames.Nak:
    """Execute a command and return the answer to its frame.

    A key without the scope is refused before anything of the command is decoded.
    """
    try:
        if frame.task and not is_task_id(frame.task):
            raise not_found()
        require(principal, scope_of(frame.op))
        result = await perform(
            principal,
            TaskId(frame.task) if frame.task else None,
            command_id=parse_command_id(frame.id),
            request=decode_frame(frame),
        )
    except Refused as refusal:
        return frames.Nak(frame.id, refusal.problem)
    return frames.Ack(frame.id, result.task, result.version)
