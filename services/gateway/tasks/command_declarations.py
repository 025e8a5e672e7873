"""The commands, one declaration each, and the decoders of their two ways in. Pure.

A declaration is all there is to a command but its decision (`decide`): its route, its OpenAPI
operation and its operation on the stream are made from it.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from events import CommandId
from events.protocol import frames
from events.protocol.api import requests
from events.protocol.api.requests import CommandRequest
from events.protocol.api.sessions import Scope
from events.protocol.problem import Fault
from services.gateway.problems import Refused, not_found, refused


class CommandDeclaration(msgspec.Struct, frozen=True, kw_only=True):
    """Declaration of a command.

    On the stream it is `op`, and `request` its `args`. Over HTTP it is `method` and `path`, as
    OpenAPI writes them, answered with `status`, and with the task where it `makes_task`. Where the
    path carries a part of the request, `path_fields` maps its placeholders to fields of `request`,
    and `http_body` has the others; otherwise the body is the request. `scope` is what a key needs.
    `operation` ends the operation id of OpenAPI, when that is not `op`.
    """

    op: str
    request: type[CommandRequest]
    path: str
    summary: str
    description: str
    method: Literal["POST", "PUT", "PATCH", "DELETE"] = "POST"
    status: int = 200
    scope: Scope = "write"
    operation: str = ""
    makes_task: bool = False
    http_body: type[msgspec.Struct] | None = None
    path_fields: Mapping[str, str] = {}

    @property
    def body_type(self) -> type[msgspec.Struct]:
        """Type of the HTTP body."""
        return self.http_body or self.request


COMMANDS: Final = (
    CommandDeclaration(
        op="submit",
        request=requests.TaskRequest,
        path="/v1/tasks",
        status=201,
        makes_task=True,
        summary="Submit a task",
        description="Submit a task. Asking again with the same Idempotency-Key answers the same "
        "task.",
    ),
    CommandDeclaration(
        op="fork",
        request=requests.ForkRequest,
        path="/v1/tasks/{task}/fork",
        status=201,
        makes_task=True,
        summary="Fork a task",
        description="Submit a new task that begins from this one as it was at the version `at`: "
        "its files (of the newest snapshot at or before it) and the conversation so far. This task "
        "is not changed. Asking again with the same Idempotency-Key answers the same new task.",
    ),
    CommandDeclaration(
        op="instruct",
        request=requests.InstructionRequest,
        path="/v1/tasks/{task}/instructions",
        summary="Send an instruction",
        description="Instruct the agent: before its next model call (steer), or after its work "
        "(queue).",
    ),
    CommandDeclaration(
        op="edit_instruction",
        request=requests.InstructionEditRequest,
        method="PATCH",
        path="/v1/tasks/{task}/instructions/{instruction}",
        path_fields={"instruction": "instruction"},
        http_body=requests.InstructionChangeRequest,
        summary="Edit an instruction",
        description="Change the text of an instruction, which the version of its `task.instructed` "
        "names. 409 when the agent has taken it up meanwhile.",
    ),
    CommandDeclaration(
        op="withdraw_instruction",
        request=requests.InstructionWithdrawalRequest,
        method="DELETE",
        path="/v1/tasks/{task}/instructions/{instruction}",
        path_fields={"instruction": "instruction"},
        http_body=requests.EmptyRequest,
        summary="Withdraw an instruction",
        description="Withdraw an instruction, which the version of its `task.instructed` names. "
        "409 when the agent has taken it up meanwhile, or when it alone took the task up again.",
    ),
    CommandDeclaration(
        op="answer",
        request=requests.QuestionAnswerRequest,
        path="/v1/tasks/{task}/questions/{request_id}",
        path_fields={"request_id": "request"},
        http_body=requests.AnswerRequest,
        summary="Answer a question",
        description="Answer what the agent asked. 409 when it was answered otherwise meanwhile.",
    ),
    CommandDeclaration(
        op="approve",
        request=requests.ApprovalAnswerRequest,
        path="/v1/tasks/{task}/approvals/{request_id}",
        path_fields={"request_id": "request"},
        http_body=requests.VerdictRequest,
        scope="approve",
        summary="Answer an approval request",
        description="Allow or deny what the agent asked to do. 409 when something else happened "
        "meanwhile.",
    ),
    CommandDeclaration(
        op="interrupt",
        request=requests.InterruptRequest,
        path="/v1/tasks/{task}/interrupt",
        summary="Interrupt a task",
        description="Stop what runs now; the task waits for an instruction.",
    ),
    CommandDeclaration(
        op="cancel",
        request=requests.CancelRequest,
        path="/v1/tasks/{task}/cancel",
        summary="Cancel a task",
        description="Cancel a task. Cancelling one that has ended is harmless.",
    ),
    CommandDeclaration(
        op="archive",
        request=requests.ArchiveRequest,
        path="/v1/tasks/{task}/archive",
        summary="Archive",
        description="Archive a task that has ended: lists leave it out. Instructing it brings it "
        "back.",
    ),
    CommandDeclaration(
        op="budget",
        operation="raise_budget",
        request=requests.BudgetRaiseRequest,
        path="/v1/tasks/{task}/budget",
        summary="Raise the budget",
        description="Let a task spend this much more.",
    ),
    CommandDeclaration(
        op="allow_host",
        request=requests.HostAllowanceRequest,
        path="/v1/tasks/{task}/egress",
        scope="approve",
        summary="Allow a host",
        description="Let the commands of a task connect to a host on a port, from now until the "
        "task ends; an address of a private network stays out of reach. 409 when the task has "
        "ended.",
    ),
)
"""Every command there is."""

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SCOPE_BY_OP: Final = {command.op: command.scope for command in COMMANDS}
_SCOPE_BY_REQUEST: Final = {command.request: command.scope for command in COMMANDS}
_DECODERS: Final[Mapping[str, msgspec.json.Decoder[CommandRequest]]] = {
    command.op: msgspec.json.Decoder(command.request) for command in COMMANDS
}


def scope_of(command: str | CommandRequest) -> Scope:
    """Return the scope that a key needs for an operation or a request."""
    if isinstance(command, str):
        return _SCOPE_BY_OP.get(command, "write")
    return _SCOPE_BY_REQUEST[type(command)]


def decode_frame(frame: frames.Cmd) -> CommandRequest:
    """Decode the request of a `cmd` frame.

    Raises Refused: 400 for what is not JSON or no known operation, 422 with a pointer for a body
    of another shape.
    """
    decoder = _DECODERS.get(frame.op)
    if decoder is None:
        raise refused(400, "unknown_op", f"There is no command `{frame.op[:40]}`. {_known_ops()}")
    try:
        return decoder.decode(frame.args)
    except msgspec.ValidationError as error:
        raise _not_as_expected(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refused(400, "not_json", f"The body is not valid JSON: {error}.") from None
    except RecursionError:
        raise refused(400, "too_deep", "The body is nested too deeply.") from None


def request_of(
    command: CommandDeclaration, body: msgspec.Struct | None, path: Mapping[str, str]
) -> CommandRequest:
    """Return the request that an HTTP body and the parts of its path make.

    The body is decoded by the framework, to the type that `body_type` names; None where it was
    left out. Raises Refused (404) when the path has no such part.
    """
    if isinstance(body, command.request) and not command.path_fields:
        return body
    fields: dict[str, Any] = msgspec.structs.asdict(body) if body is not None else {}
    fields |= {field: path[name] for name, field in command.path_fields.items()}
    try:
        return msgspec.convert(fields, command.request, strict=False)
    except msgspec.ValidationError:
        raise not_found() from None


def parse_command_id(text: str) -> CommandId:
    """Parse a command id. Raises Refused (400) when it is not a UUID in its usual spelling."""
    command_id = text.lower()
    if _UUID.fullmatch(command_id) is None:
        raise refused(
            400,
            "command_id_invalid",
            "A command needs an id of its own, a UUID like 0198c5a2-6b1e-7d3f-9a51-3c6f0d2b8e11: "
            "in the header Idempotency-Key, or as `id` on the stream.",
        )
    return CommandId(command_id)


def _known_ops() -> str:
    *others, last = (command.op for command in COMMANDS)
    return f"Known are {', '.join(others)} and {last}."


def _not_as_expected(text: str) -> Refused:
    # msgspec says: "Expected `str`, got `int` - at `$.repository.url`".
    detail, _, path = text.partition(" - at `$")
    pointer = re.sub(r"[.\[]", "/", path.rstrip("`")).replace("]", "")
    return refused(
        422,
        "invalid_body",
        f"The body is not as expected: {text}. See /docs for its shape.",
        errors=(Fault(pointer, detail, "invalid"),),
    )
