"""The routes of the commands are those that the table declares, and hand on what it names."""

from types import SimpleNamespace

import httpx
import pytest

from services.gateway.commands.command_handler import CommandResult
from services.gateway.http.apps.gateway import make_app
from services.gateway.tasks.command_declarations import COMMANDS
from tests.gateway.kit.commands import ADA, EXAMPLES, ONE, request_for
from tests.gateway.kit.problems import UNKNOWN
from tests.kit.laws.documented_answers import described_offline

BY_OP = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.op)


class RecordingHandler:
    """Takes every command, and remembers what it was given."""

    def __init__(self):
        self.given = []

    async def perform(self, principal, task, *, command_id, request):
        self.given.append((principal, task, command_id, request))
        return CommandResult(task or UNKNOWN, 7)


class OpenDoor:
    """Knows one person, and never counts."""

    def must_look_up(self, token):
        return False

    async def authenticate(self, token):
        return ADA

    async def take(self, kind, caller):
        return SimpleNamespace(is_allowed=True, headers=dict)


class NewestState:
    async def get(self, history, *, at_least):
        return {"id": history.task, "version": at_least}


@pytest.fixture
async def gateway():
    """Routes over a handler that only remembers; `post` sends one command."""
    handler, door = RecordingHandler(), OpenDoor()
    context = SimpleNamespace(
        tasks=SimpleNamespace(commands=handler, states=NewestState()),
        accounts=SimpleNamespace(people=door),
        limits=door,
        public_url="http://x",
        allowed_origins=(),
    )
    transport = httpx.ASGITransport(make_app(context))
    headers = {"Authorization": "Bearer token", "Idempotency-Key": ONE.upper()}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://x", headers=headers
    ) as client:
        yield SimpleNamespace(handler=handler, client=client)


def operations():
    return {
        (path, method): operation
        for path, item in described_offline()["paths"].items()
        for method, operation in item.items()
    }


def test_every_route_of_a_command_is_declared_and_every_declaration_has_a_route():
    commands = {
        where
        for where, operation in operations().items()
        if where[0].startswith("/v1/tasks")
        and any(each["name"] == "Idempotency-Key" for each in operation["parameters"])
    }
    assert commands == {(command.path, command.method.lower()) for command in COMMANDS}


@BY_OP
def test_its_operation_says_what_the_declaration_says(command):
    operation = operations()[command.path, command.method.lower()]
    assert (operation["summary"], operation["description"]) == (
        command.summary,
        command.description,
    )
    assert [status for status in operation["responses"] if status < "3"] == [str(command.status)]
    [media] = operation["requestBody"]["content"].values()
    options = media["schema"].get("oneOf", [media["schema"]])
    assert options[0]["$ref"].rpartition("/")[2] == command.body_type.__name__


@BY_OP
async def test_a_command_is_handed_on_as_the_object_that_the_stream_makes_of_it(gateway, command):
    given = EXAMPLES[command.op]
    carried = {name: given[field] for name, field in command.path_fields.items()}
    body = {k: v for k, v in given.items() if k not in command.path_fields.values()}
    answer = await gateway.client.request(
        command.method, command.path.format(task=UNKNOWN, **carried), json=body
    )

    assert answer.status_code == command.status, answer.text
    assert answer.json()["version"] == 7
    task = UNKNOWN if "{task}" in command.path else None
    assert gateway.handler.given == [(ADA, task, ONE, request_for(command.op, **given))]
    location = f"/v1/tasks/{UNKNOWN}" if command.makes_task else None
    assert answer.headers.get("location") == location


@BY_OP
async def test_a_body_may_be_left_out_where_it_has_no_required_field(gateway, command):
    carried = dict.fromkeys(command.path_fields, "7")
    answer = await gateway.client.request(
        command.method, command.path.format(task=UNKNOWN, **carried)
    )
    if command.op in ("interrupt", "cancel", "archive", "withdraw_instruction"):
        [(_, _, _, request)] = gateway.handler.given
        said = {"instruction": 7} if "instruction" in command.path_fields else {}
        assert (answer.status_code, request) == (200, request_for(command.op, **said))
    else:
        assert (answer.status_code, gateway.handler.given) == (422, [])


@BY_OP
async def test_what_is_wrong_in_a_body_is_pointed_at_and_reaches_nobody(gateway, command):
    carried = dict.fromkeys(command.path_fields, "req_1")
    path = command.path.format(task=UNKNOWN, **carried)
    answer = await gateway.client.request(command.method, path, json={"invented": 1})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid_request")
    assert problem["errors"][0]["pointer"].startswith("/data")
    assert gateway.handler.given == []
