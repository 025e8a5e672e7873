"""A `cmd` frame is judged in this order: task, scope, id, arguments; then it is executed once."""

from typing import NamedTuple

import msgspec
import pytest

from events import TaskId
from events.protocol import frames
from events.protocol.api.requests import InstructionRequest
from services.gateway.problems import unavailable
from services.gateway.stream.command_frames import answer_command
from tests.gateway.kit.commands import ADA, ONE
from tests.gateway.kit.problems import UNKNOWN

KEY = msgspec.structs.replace(ADA, scopes=frozenset({"read"}))


class Result(NamedTuple):
    task: TaskId
    version: int


class Handler:
    """Remembers what it was given."""

    def __init__(self, refusal=None):
        self.given = []
        self._refusal = refusal

    async def __call__(self, principal, task, *, command_id, request):
        self.given.append((principal, task, command_id, request))
        if self._refusal is not None:
            raise self._refusal
        return Result(TaskId(task or "task_new"), 5)


def cmd(command_id=ONE, op="instruct", task=UNKNOWN, args=b'{"text":"more"}'):
    return frames.Cmd(command_id, op, task, msgspec.Raw(args))


async def test_a_command_is_executed_and_acknowledged_under_the_id_that_was_sent():
    handler = Handler()
    answer = await answer_command(handler, ADA, cmd(ONE.upper()))
    assert answer == frames.Ack(ONE.upper(), UNKNOWN, 5)
    assert handler.given == [(ADA, UNKNOWN, ONE, InstructionRequest(text="more"))]


async def test_a_command_without_a_task_makes_one():
    args = b'{"prompt":"x","repository":{"url":"u"}}'
    handler = Handler()
    assert await answer_command(handler, ADA, cmd(op="submit", task="", args=args)) == frames.Ack(
        ONE, "task_new", 5
    )
    assert handler.given[0][1] is None


async def test_what_the_handler_refuses_is_a_nak():
    refusal = unavailable("Later.")
    answer = await answer_command(Handler(refusal), ADA, cmd())
    assert answer == frames.Nak(ONE, refusal.problem)


@pytest.mark.parametrize(
    ("frame", "principal", "code"),
    [
        (cmd("7", "dance", "task_x", b'{"invented":1}'), KEY, "not_found"),
        (cmd("7", "dance", args=b'{"invented":1}'), KEY, "scope_missing"),
        (cmd("7", "approve", args=b'{"invented":1}'), KEY, "scope_missing"),
        (cmd("7", "instruct", args=b'{"invented":1}'), ADA, "command_id_invalid"),
        (cmd("7", "dance"), ADA, "command_id_invalid"),
        (cmd(op="dance"), ADA, "unknown_op"),
        (cmd(args=b'{"invented":1}'), ADA, "invalid_body"),
    ],
)
async def test_the_first_thing_wrong_is_answered_and_the_command_reaches_nobody(
    frame, principal, code
):
    handler = Handler()
    answer = await answer_command(handler, principal, frame)
    assert isinstance(answer, frames.Nak)
    assert (answer.id, answer.problem.code, handler.given) == (frame.id, code, [])
