"""Replies of odd shapes, over the real client: each is used by the API's rules, or refused."""

import json

import msgspec
import pytest

from events import (
    ContextCompacted,
    ModelFailed,
    ModelReplied,
    TaskFailed,
    TaskFinished,
    TaskInstructed,
    ToolCompleted,
)
from services.worker.agent.failures.model_errors import (
    MAX_PAID_FAILURES,
    ModelError,
    record_failure,
)
from services.worker.agent.failures.progress_guard import MAX_FRUITLESS, MAX_NUDGES
from services.worker.effects.model import client as model
from services.worker.ports import ModelFailure
from tests.kit.build.worker_history import NOW, SUBMITTED
from tests.kit.fakes.worker_world import Bench, answered, called, said
from tests.kit.run.driven_workers import SUBMIT, WRITE, driven, last_words
from tests.kit.run.model_client import Deltas, ask, model_error_of, question
from tests.kit.run.rehearsal_model import running_model

THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "valid"}
UNSIGNED = {"type": "thinking", "thinking": "Hm, I"}
TEXT = {"type": "text", "text": "Done."}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "bash", "input": {"command": "ls"}}


@pytest.fixture
def rehearsal_model(tmp_path):
    with running_model(tmp_path) as running:
        yield running


@pytest.fixture
async def client(rehearsal_model):
    async with model.connect(rehearsal_model.url, rehearsal_model.key) as connected:
        yield connected


def wire(*events, end="tool_use"):
    """A stream of events; one that is text goes out as it is."""
    start = {"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 1}}}
    tail = [
        {"type": "message_delta", "delta": {"stop_reason": end}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]
    return "".join(_spelt(each) for each in (start, *events, *tail))


def _spelt(event):
    if isinstance(event, str):
        return event
    return f"event: {event.get('type')}\ndata: {json.dumps(event)}\n\n"


def block(index=0, **fields):
    return {"type": "content_block_start", "index": index, "content_block": fields}


def delta(index=0, **fields):
    return {"type": "content_block_delta", "index": index, "delta": fields}


def tool(**fields):
    return block(type="tool_use", **fields)


def nested(depth):
    return '{"a":' * depth + "1" + "}" * depth


MALFORMED = {
    "a delta of a block that was not begun": wire(delta(2, type="text_delta", text="x")),
    "a delta of another kind of block": wire(
        tool(id="c", name="bash", input={}), delta(type="text_delta", text="x")
    ),
    "a delta without its text": wire(block(type="text", text=""), delta(type="text_delta")),
    "a delta whose text is null": wire(
        block(type="text", text=""), delta(type="text_delta", text=None)
    ),
    "a delta that is no object": wire(
        block(type="text", text=""), {"type": "content_block_delta", "index": 0, "delta": 7}
    ),
    "an index that is no number": wire(
        {"type": "content_block_start", "index": "0", "content_block": TEXT}
    ),
    "a block that begins twice": wire(block(type="text", text=""), block(type="text", text="")),
    "a block that is null": wire(
        {"type": "content_block_start", "index": 0, "content_block": None}
    ),
    "a block without a type": wire(block(text="x")),
    "a block of a type nobody asked for": wire(
        block(type="server_tool_use", id="s", name="x", input={})
    ),
    "a data line that is not JSON": wire("event: ping\ndata: {not json\n\n"),
    "a data line that is a list": wire("event: ping\ndata: []\n\n"),
    "a data line nested without end": wire(f"event: ping\ndata: {'[' * 100_000}\n\n"),
    "an event without a type": wire({"index": 0}),
    "a text that is null": wire(block(type="text", text=None)),
    "a text that is a number": wire(block(type="text", text=1)),
    "a call without an input": wire(tool(id="c", name="bash")),
    "a call without an id": wire(tool(name="bash", input={})),
    "a call without a name": wire(tool(id="c", input={})),
    "a call whose id is a number": wire(tool(id=1, name="bash", input={})),
    "a call with an endless name": wire(tool(id="c", name="b" * 100_000, input={})),
    "a call whose input is a list": wire(
        tool(id="c", name="b", input={}), delta(type="input_json_delta", partial_json="[1]")
    ),
    "a call whose input is cut": wire(
        tool(id="c", name="b", input={}), delta(type="input_json_delta", partial_json='{"a": "x')
    ),
    "a call whose input is cut, said to be the end": wire(
        tool(id="c", name="b", input={}),
        delta(type="input_json_delta", partial_json='{"a"'),
        end="end_turn",
    ),
    "an input nested too deeply": wire(
        tool(id="c", name="b", input={}), delta(type="input_json_delta", partial_json=nested(600))
    ),
    "an input nested far too deeply": wire(
        tool(id="c", name="b", input={}),
        delta(type="input_json_delta", partial_json=nested(50_000)),
    ),
    "a number that is none": wire(
        tool(id="c", name="b", input={}), delta(type="input_json_delta", partial_json='{"a": NaN}')
    ),
    "a number without end": wire(
        tool(id="c", name="b", input={}),
        delta(type="input_json_delta", partial_json='{"a": 1e999}'),
    ),
    "a count that is text": wire(
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"output_tokens": "9"},
        }
    ),
    "a count below zero": wire(
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"output_tokens": -1},
        }
    ),
    "a stop reason that is a list": wire(
        {"type": "message_delta", "delta": {"stop_reason": ["x"]}}
    ),
    "a beginning without a model": wire({"type": "message_start", "message": {}}),
    "no beginning": (
        'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n'
        'data: {"type":"message_stop"}\n\n'
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_malformed_reply_is_a_failed_call_with_a_short_reason(
    client, rehearsal_model, name
):
    rehearsal_model.order("raw", status=200, body=MALFORMED[name])

    model_error = await model_error_of(client, question())

    assert model_error.kind == "malformed"
    assert len(model_error.detail) < 500
    assert (await ask(client, question())).stop_reason == "tool_use"


async def test_a_reply_that_is_only_unusual_is_taken(client, rehearsal_model):
    body = wire(
        'event: new_kind\ndata: {"type": "new_kind"}\n\n',
        block(1, type="tool_use", id="functions.bash:0", name="bash"),
        delta(1, type="input_json_delta", partial_json=' {"command": "l'),
        delta(1, type="input_json_delta", partial_json='s"}'),
        block(0, type="text", text="A"),
        delta(0, type="text_delta", text="B"),
        delta(0, type="new_delta", more=1),
    ).replace("\n", "\r\n")
    rehearsal_model.order("raw", status=200, body=body)

    answer = await ask(client, question())

    assert [b["type"] for b in answer.blocks] == ["text", "tool_use"]
    assert answer.blocks[0]["text"] == "AB"
    assert answer.blocks[1]["input"] == {"command": "ls"}
    assert msgspec.json.decode(msgspec.json.encode(answer.blocks)) == list(answer.blocks)


async def test_a_call_cut_in_the_middle_of_its_input_keeps_its_place(client, rehearsal_model):
    cut = delta(type="input_json_delta", partial_json='{"command": "l')
    body = wire(tool(id="c", name="bash", input={}), cut, end="max_tokens")
    rehearsal_model.order("raw", status=200, body=body)

    answer = await ask(client, question())

    assert (answer.stop_reason, answer.blocks[0]["input"]) == ("max_tokens", {})


async def carried(rehearsal_model, *orders):
    """Let a worker work with a real client, whose first replies are ordered."""
    bench = Bench(files={"x": "y"})
    await bench.append(SUBMITTED)
    for content, stop_reason in orders:
        rehearsal_model.order("reply", content=list(content), stop_reason=stop_reason)
    async with model.connect(rehearsal_model.url, rehearsal_model.key) as connected:
        bench.model = connected
        await driven(bench)
    return bench


@pytest.mark.parametrize("stop_reason", ["end_turn", "max_tokens", "pause_turn", "tool_use"])
@pytest.mark.parametrize(
    "content",
    [
        (THOUGHT,),
        (UNSIGNED,),
        (THOUGHT, UNSIGNED),
        (THOUGHT, {"type": "text", "text": " \n"}),
        ({"type": "text", "text": ""},),
        (),
    ],
)
async def test_a_reply_that_says_nothing_is_followed_by_one_the_api_accepts(
    rehearsal_model, content, stop_reason
):
    bench = await carried(rehearsal_model, (content, stop_reason))

    assert not bench.facts(ModelFailed)
    assert not bench.facts(TaskFailed)
    assert len(bench.facts(ModelReplied)) == 2
    assert bench.facts(TaskFinished)[0].summary


@pytest.mark.parametrize("stop_reason", ["max_tokens", "pause_turn"])
async def test_what_a_cut_reply_said_before_is_kept_and_gone_on_from(rehearsal_model, stop_reason):
    bench = await carried(rehearsal_model, ((THOUGHT, TEXT, THOUGHT), stop_reason))

    assert not bench.facts(ModelFailed)
    assert len(bench.facts(ModelReplied)) == 2


async def test_a_call_in_a_reply_that_ends_the_turn_is_run(rehearsal_model):
    bench = await carried(rehearsal_model, ((THOUGHT, CALL), "end_turn"))

    assert [done.call for done in bench.facts(ToolCompleted)] == ["toolu_1"]
    assert not bench.facts(ModelFailed)
    assert len(bench.facts(ModelReplied)) == 2


EMPTY = answered({"type": "text", "text": " "}, stop_reason="end_turn")
ANNOUNCED = answered({"type": "text", "text": "I run it."}, stop_reason="tool_use")


@pytest.mark.parametrize(
    "reply",
    [
        EMPTY,
        ANNOUNCED,
        said("…", "max_tokens"),
        said("…", "pause_turn"),
        answered(stop_reason="end_turn"),
    ],
)
async def test_replies_that_get_nowhere_end_the_task_after_a_few(reply):
    bench = Bench(*[reply] * 50)
    await bench.append(SUBMITTED)

    await driven(bench)

    [failure] = bench.facts(TaskFailed)
    assert (failure.reason, bool(failure.remedy)) == ("model_stalled", True)
    assert len(bench.model.model_requests) == MAX_NUDGES + 1
    assert not bench.facts(TaskFinished)


async def test_calls_that_never_succeed_end_the_task():
    wrong = [called((f"c{n}", "no_such_tool", {"n": n})) for n in range(100)]
    bench = Bench(*wrong)
    await bench.append(SUBMITTED)

    await driven(bench)

    assert bench.facts(TaskFailed)[0].reason == "model_stalled"
    assert len(bench.model.model_requests) == MAX_FRUITLESS


async def test_an_empty_reply_after_the_work_makes_no_empty_pull_request():
    bench = Bench(called(WRITE), EMPTY, called(SUBMIT))
    await bench.append(SUBMITTED)

    await driven(bench)

    assert bench.facts(TaskFinished)[0].summary == "fixed"
    [opened] = bench.forge.opened
    assert opened["title"].strip()
    assert opened["body"].startswith("by hand")


@pytest.mark.parametrize("blank", ["title", "summary"])
async def test_a_blank_submission_is_given_back_to_the_model(blank):
    call = (SUBMIT[0], "submit", {**SUBMIT[2], blank: " \n"})
    again = ("c10", *SUBMIT[1:])
    bench = Bench(called(WRITE), called(call), called(again))
    await bench.append(SUBMITTED)

    await driven(bench)

    assert last_words(bench)[0]["is_error"]
    assert len(bench.forge.opened) == 1


async def test_a_refused_reply_is_not_sent_back():
    bench = Bench(said("I can't …", "refusal"), said("Yes."))
    await bench.append(SUBMITTED)
    await driven(bench)
    await bench.append(TaskInstructed(text="another way"))

    await driven(bench, 2)

    roles = [message["role"] for message in bench.model.model_requests[-1].messages]
    assert roles == ["user"]


async def test_a_full_context_leaves_the_work_on_its_branch_and_says_how_to_go_on():
    full = ModelFailure(ModelError("context_full", "prompt is too long"))
    for end in (full, said("…", "model_context_window_exceeded")):
        bench = Bench(called(WRITE), end, end)
        await bench.append(SUBMITTED)

        await driven(bench)

        [failure] = bench.facts(TaskFailed)
        assert failure.reason == "context_full"
        assert "errand/task_1" in failure.remedy
        assert len(bench.facts(ContextCompacted)) == 1  # what could be done was done before
        assert len(bench.workspace.pushed) == 1
        assert not bench.forge.opened


async def test_a_full_context_without_work_says_so():
    bench = Bench(ModelFailure(ModelError("context_full", "prompt is too long")))
    await bench.append(SUBMITTED)

    await driven(bench)

    assert "shorter prompt" in bench.facts(TaskFailed)[0].remedy
    assert not bench.workspace.pushed


def test_malformed_replies_are_asked_for_again_only_a_few_times():
    malformed = ModelError("malformed", "x")
    made = [
        record_failure(malformed, turn=1, failures=n, since=NOW, now=NOW).retry_at is None
        for n in range(MAX_PAID_FAILURES)
    ]
    assert made == [False] * (MAX_PAID_FAILURES - 1) + [True]


async def test_what_comes_in_is_shown_before_it_is_whole(client, rehearsal_model):
    body = wire(block(type="text", text=""), delta(type="text_delta", text="A"), end="end_turn")
    rehearsal_model.order("raw", status=200, body=body)
    deltas = Deltas()

    await client.ask(question(), deltas)

    assert deltas.said("text", 0) == "A"
