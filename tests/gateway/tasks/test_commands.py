"""Every command is declared once, and decoded once, to the same object whichever way it comes."""

import re
from typing import get_args
from uuid import uuid4

import msgspec
import pytest

from events import Repository, RequestId, TaskSubmitted
from events.protocol import frames
from events.protocol.api.requests import (
    CommandRequest,
    ForkRequest,
    InterruptRequest,
    QuestionAnswerRequest,
)
from services.gateway.problems import Refused
from services.gateway.tasks.command_declarations import (
    COMMANDS,
    CommandDeclaration,
    decode_frame,
    parse_command_id,
    request_of,
    scope_of,
)
from services.gateway.tasks.request_validation import fork_submission, to_command
from services.gateway.tasks.task import Command
from tests.gateway.kit.commands import EXAMPLES, ONE, RULES, request_for
from tests.gateway.kit.scenario import NOON

FORKED = TaskSubmitted(
    prompt="fix it", repository=Repository("https://github.com/ada/app"), model="server-model"
)


def missing(commands: tuple[CommandDeclaration, ...]) -> set[type]:
    """Return the requests and the commands that no declaration leads to."""
    requests = [request_for(command.op, **EXAMPLES[command.op]) for command in commands]
    made = {type(made_of(request)) for request in requests}
    declared = {command.request for command in commands}
    return ({*get_args(CommandRequest)} - declared) | ({*get_args(Command)} - made)


def made_of(request: CommandRequest) -> Command:
    if isinstance(request, ForkRequest):
        return fork_submission(request, FORKED, RULES)
    return to_command(request, RULES, NOON)


def frame(op: str, arguments: bytes) -> frames.Cmd:
    return frames.Cmd(ONE, op, args=msgspec.Raw(arguments))


def refusal(op: str, arguments: bytes):
    with pytest.raises(Refused) as refused:
        decode_frame(frame(op, arguments))
    return refused.value.problem


def fields(kind: type[msgspec.Struct]):
    return {f.encode_name: (f.type, f.default) for f in msgspec.structs.fields(kind)}


def test_every_request_and_every_command_is_declared_once():
    assert not missing(COMMANDS)
    for name in ("op", "request"):
        values = [getattr(command, name) for command in COMMANDS]
        assert len(values) == len(set(values)), name
    assert len({(command.method, command.path) for command in COMMANDS}) == len(COMMANDS)


@pytest.mark.parametrize("left_out", range(len(COMMANDS)))
def test_a_declaration_left_out_is_missed(left_out):
    others = COMMANDS[:left_out] + COMMANDS[left_out + 1 :]
    assert COMMANDS[left_out].request in missing(others)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.op)
def test_body_and_path_together_have_the_fields_of_the_request(command):
    placeholders = set(re.findall(r"{(\w+)}", command.path)) - {"task"}
    assert placeholders == set(command.path_fields)
    asked = fields(command.request)
    carried = {name: asked[name] for name in command.path_fields.values()}
    assert set(carried.values()) <= {(str, msgspec.NODEFAULT), (int, msgspec.NODEFAULT)}
    assert {**fields(command.body_type), **carried} == asked


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.op)
def test_http_and_the_stream_give_the_same_request(command):
    given = EXAMPLES[command.op]
    path = {name: str(given[field]) for name, field in command.path_fields.items()}
    rest = {k: v for k, v in given.items() if k not in command.path_fields.values()}
    body = msgspec.convert(rest, command.body_type)
    by_http = request_of(command, body, path)
    assert by_http == request_for(command.op, **given)
    assert type(by_http) is command.request


def test_a_body_that_is_left_out_is_an_empty_one():
    for command in COMMANDS:
        if command.op in ("interrupt", "cancel", "archive"):
            assert request_of(command, None, {}) == request_for(command.op)


def test_args_that_are_left_out_are_empty_ones():
    said = frames.decode(f'{{"t":"cmd","id":"{ONE}","op":"interrupt"}}')
    assert isinstance(said, frames.Cmd)
    assert decode_frame(said) == InterruptRequest()


def test_only_what_widens_what_the_agent_may_do_needs_another_scope_than_write():
    scopes = {command.op: scope_of(command.op) for command in COMMANDS}
    assert {op: scope for op, scope in scopes.items() if scope != "write"} == {
        "approve": "approve",
        "allow_host": "approve",
    }
    for op, given in EXAMPLES.items():
        assert scope_of(request_for(op, **given)) == scopes[op]
    assert scope_of("dance") == "write"


def test_a_body_of_another_shape_is_pointed_at():
    problem = refusal("submit", b'{"prompt": "x", "repository": {"url": 5}}')
    assert (problem.status, problem.code) == (422, "invalid_body")
    assert problem.errors[0].pointer == "/repository/url"


def test_an_unknown_field_is_named():
    problem = refusal("submit", b'{"prompt": "x", "repository": {"url": "u"}, "promt": 1}')
    assert "promt" in problem.detail


@pytest.mark.parametrize("op", EXAMPLES)
def test_the_tag_is_no_field_of_a_request(op):
    body = msgspec.json.encode({**EXAMPLES[op], "op": op})
    assert "unknown field `op`" in refusal(op, body).detail


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "not_json"),
        (b"\xff", "not_json"),
        (b'{"text": "\\ud800"}', "not_json"),
        (b'{"text": ' + b"[" * 100_000, "too_deep"),
        (b'{"x": ' + b"[" * 100_000, "too_deep"),
    ],
)
def test_what_is_not_json_is_400(body, code):
    problem = refusal("instruct", body)
    assert problem.status in (400, 422)
    assert problem.code in (code, "invalid_body")


def test_an_unknown_command_is_refused_with_the_known_ones():
    problem = refusal("dance", b"{}")
    assert (problem.status, problem.code) == (400, "unknown_op")
    listed = problem.detail.partition("Known are ")[2].rstrip(".")
    assert re.split(r", | and ", listed) == [command.op for command in COMMANDS]


def test_a_command_id_is_a_uuid_in_its_usual_spelling():
    text = str(uuid4())
    assert parse_command_id(text) == parse_command_id(text.upper()) == text
    for other in ("", "7", text.replace("-", ""), f"{{{text}}}", f"urn:uuid:{text}", f"{text}\n"):
        with pytest.raises(Refused) as refused:
            parse_command_id(other)
        assert refused.value.problem.code == "command_id_invalid"


def test_the_request_of_a_path_is_the_one_that_the_path_names():
    [command] = [command for command in COMMANDS if command.op == "answer"]
    body = msgspec.convert({"text": "left"}, command.body_type)
    request = request_of(command, body, {"task": "task_x", "request_id": "req_9"})
    assert request == QuestionAnswerRequest(request=RequestId("req_9"), text="left")
