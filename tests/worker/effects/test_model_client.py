"""The model's client against the rehearsal model: the real SDK, the real protocol, real faults."""

import asyncio

import pytest

from services.gateway.http.serving.connection_limits import ConnectionLimits
from services.gateway.http.serving.server import bound, make_server, serve
from services.gateway.http.serving.startup import Startup
from services.worker.agent.failures.outage import Unreachable
from services.worker.effects.model import client as model
from services.worker.ports import ModelReply
from services.worker.retry import RetryPolicy, RetrySettings
from tests.kit.run.model_client import Deltas, ask, model_error_of, question
from tests.kit.run.rehearsal_model import running_model


@pytest.fixture
def rehearsal_model(tmp_path):
    with running_model(tmp_path) as running:
        yield running


@pytest.fixture
async def client(rehearsal_model):
    async with model.connect(rehearsal_model.url, rehearsal_model.key) as connected:
        yield connected


def results(answer: ModelReply, text="nothing"):
    calls = [block["id"] for block in answer.blocks if block["type"] == "tool_use"]
    return [{"type": "tool_result", "tool_use_id": call, "content": text} for call in calls]


async def test_a_reply_comes_with_its_calls_usage_and_request(client):
    answer = await ask(client, question())

    assert answer.stop_reason == "tool_use"
    calls = [block for block in answer.blocks if block["type"] == "tool_use"]
    assert calls
    assert all(isinstance(call["input"], dict) and call["input"] for call in calls)
    assert answer.usage.output_tokens > 0
    assert answer.usage.input_tokens + answer.usage.cache_creation_input_tokens > 0
    assert answer.request.startswith("req_")
    assert answer.model == "claude-sonnet-5-5"


async def test_what_is_said_is_shown_as_it_comes(client):
    deltas = Deltas()

    answer = await client.ask(question(), deltas)

    for index, block in enumerate(answer.blocks):
        if block["type"] in ("text", "thinking"):
            assert deltas.said(block["type"], index) == block[block["type"]]
    assert any(kind == "text" for kind, _, _ in deltas)


async def test_a_reply_is_taken_back_verbatim(client):
    """The rehearsal model refuses a thinking block that was changed."""
    first = await ask(client, question())
    history = [
        {"role": "assistant", "content": list(first.blocks)},
        {"role": "user", "content": results(first)},
    ]

    second = await ask(client, question(*history))

    assert second.stop_reason in ("tool_use", "end_turn")
    assert any(block["type"] == "thinking" for block in first.blocks)


async def test_the_prompt_cache_is_used(client):
    first = await ask(client, question())
    history = [
        {"role": "assistant", "content": list(first.blocks)},
        {"role": "user", "content": results(first)},
    ]

    second = await ask(client, question(*history))

    assert second.usage.cache_read_input_tokens > 0


@pytest.mark.parametrize("name", ["claude-opus-5-5", "claude-haiku-5-5", "claude-haiku-4-5"])
async def test_other_models_take_the_request_too(client, name):
    assert (await ask(client, question(name=name, effort=""))).stop_reason


async def test_effort_is_passed_on(client):
    assert (await ask(client, question(effort="low"))).stop_reason


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "request_refused"),
        (401, "key_refused"),
        (402, "out_of_credit"),
        (403, "permission_refused"),
        (404, "request_refused"),
        (408, "server_error"),
        (413, "request_too_large"),
        (429, "rate_limited"),
        (500, "server_error"),
        (503, "server_error"),
        (529, "overloaded"),
    ],
)
async def test_an_error_before_the_stream_is_told_apart(client, rehearsal_model, status, kind):
    rehearsal_model.order("status", status=status, message="on order")

    model_error = await model_error_of(client, question())

    assert model_error.kind == kind
    assert "on order" in model_error.detail


async def test_the_server_says_when_to_come_back(client, rehearsal_model):
    rehearsal_model.order("status", status=429, retry_after=7.5)

    assert (await model_error_of(client, question())).retry_after_seconds == 7.5


async def test_an_error_in_the_middle_of_a_stream_discards_the_reply(client, rehearsal_model):
    rehearsal_model.order("stream_error", after_events=5)

    assert (await model_error_of(client, question())).kind == "overloaded"
    assert (await ask(client, question())).stop_reason == "tool_use"


async def test_a_connection_that_breaks_in_the_middle_discards_the_reply(client, rehearsal_model):
    rehearsal_model.order("drop", after_events=5)

    assert (await model_error_of(client, question())).kind == "connection_lost"
    assert (await ask(client, question())).stop_reason == "tool_use"


async def test_a_stream_without_an_end_is_no_reply(client, rehearsal_model):
    rehearsal_model.order("truncate", after_events=5)

    assert (await model_error_of(client, question())).kind == "truncated"


async def test_a_reply_that_was_cut_keeps_its_reason(client, rehearsal_model):
    rehearsal_model.order("stop", stop_reason="max_tokens")

    assert (await ask(client, question())).stop_reason == "max_tokens"


async def test_a_wrong_key_is_a_refused_key(rehearsal_model):
    async with model.connect(rehearsal_model.url, "sk-wrong") as client:
        assert (await model_error_of(client, question())).kind == "key_refused"


async def test_nobody_listening_is_a_gateway_that_is_away():
    retry = RetryPolicy(RetrySettings(seconds=0.5))
    async with model.connect("http://127.0.0.1:9", "sk", retry=retry) as client:
        with pytest.raises(Unreachable, match="The gateway did not answer"):
            await client.ask(question(), lambda *_: None)


async def test_a_gateway_that_waits_for_its_servers_is_away_and_no_fault_of_the_model():
    stopping, server = (
        asyncio.Event(),
        make_server(Startup(), grace_seconds=1, limits=ConnectionLimits()),
    )
    with bound("127.0.0.1", 0) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with (
            asyncio.TaskGroup() as group,
            model.connect(url, "sk", retry=RetryPolicy(RetrySettings(seconds=0.5))) as client,
        ):
            group.create_task(serve(server, listener, stopping))
            with pytest.raises(Unreachable, match="The gateway did not answer"):
                await client.ask(question(), lambda *_: None)
            stopping.set()
