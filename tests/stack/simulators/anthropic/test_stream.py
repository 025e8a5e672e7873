"""Answers of the rehearsal model: streams, whole messages, and where they are cut."""

import json
from pathlib import Path
from typing import Any

import httpx
from anthropic import AsyncAnthropic

from tests.kit.build.model_requests import (
    SMALL_LOAD,
    ask,
    history,
    post,
    result,
    shared_model,
    text,
)
from tests.kit.run.rehearsal_model import Agent, RehearsalModel, Workspace, rehearsal_model, sdk

__all__ = ["rehearsal_model", "sdk", "shared_model"]


def events(answer: httpx.Response) -> list[dict[str, Any]]:
    """Read a stream strictly: an event line, a data line, an empty line, and nothing else."""
    frames = answer.content.decode().split("\n\n")
    assert frames.pop() == ""
    read = []
    for frame in frames:
        name, _, data = frame.partition("\n")
        assert data.startswith("data: ")
        body = json.loads(data.removeprefix("data: "))
        assert name == f"event: {body['type']}"
        read.append(body)
    return read


def test_a_stream_has_the_events_of_the_real_one(shared_model: RehearsalModel) -> None:
    answer = post(shared_model, ask(stream=True, messages=history("The tests fail, fix it")))
    assert answer.headers["content-type"].startswith("text/event-stream")
    read = events(answer)
    names = [event["type"] for event in read]
    assert names[:3] == ["message_start", "content_block_start", "ping"]
    assert names[-2:] == ["message_delta", "message_stop"]
    assert read[0]["message"]["content"] == []
    assert read[-2]["delta"]["stop_reason"] == "tool_use"
    starts = [event for event in read if event["type"] == "content_block_start"]
    kinds = [event["content_block"]["type"] for event in starts]
    assert kinds == ["thinking", "text", "tool_use", "tool_use"]
    assert starts[2]["content_block"]["input"] == {}
    deltas = [event["delta"] for event in read if event["type"] == "content_block_delta"]
    parts = [d["partial_json"] for d in deltas if d["type"] == "input_json_delta"]
    assert parts[0] == ""
    assert len(parts) > 10
    # without `display` the thought is not shown, but it is signed and billed
    assert not [d for d in deltas if d["type"] == "thinking_delta"]
    assert [d for d in deltas if d["type"] == "signature_delta"]
    assert read[-2]["usage"]["output_tokens_details"]["thinking_tokens"] > 0


async def test_a_stream_and_a_whole_answer_say_the_same(sdk: AsyncAnthropic) -> None:
    asked = ask(messages=history("Grüße! Greet the nameless in a friendlier way; ask me how. 🎈"))
    whole = await sdk.messages.create(**asked)
    async with sdk.messages.stream(**asked) as stream:
        streamed = await stream.get_final_message()
    assert [b.type for b in whole.content] == [b.type for b in streamed.content]
    assert [b.input for b in whole.content if b.type == "tool_use"] == [
        b.input for b in streamed.content if b.type == "tool_use"
    ]
    assert whole.usage == streamed.usage
    assert whole.stop_reason == streamed.stop_reason == "tool_use"
    assert {b.id for b in whole.content if b.type == "tool_use"}.isdisjoint(
        {b.id for b in streamed.content if b.type == "tool_use"}
    )


async def test_words_of_any_alphabet_survive_the_stream(sdk: AsyncAnthropic) -> None:
    asked = ask(messages=[*history(SMALL_LOAD), {"role": "user", "content": "Grüße, 世界 🎈"}])
    async with sdk.messages.stream(**asked) as stream:
        reply = await stream.get_final_message()
    assert reply.stop_reason == "tool_use"
    worker = Agent(sdk, Workspace(Path()))
    worker.messages = [
        *history(SMALL_LOAD, [b.model_dump(exclude_none=True) for b in reply.content]),
        {"role": "user", "content": [result(reply.content[-1].id), text("世界 🎈")]},
    ]
    worker.messages.insert(1, {"role": "user", "content": "Grüße, 世界 🎈"})
    second = await worker.turn()
    assert "世界 🎈" in "".join(b.text for b in second.content if b.type == "text")


async def test_max_tokens_and_stop_sequences_cut_the_reply(sdk: AsyncAnthropic) -> None:
    short = await sdk.messages.create(**ask(max_tokens=10))
    assert short.stop_reason == "max_tokens"
    assert short.usage.output_tokens == 10
    assert short.content[0].text == "This is the rehearsal model. It does not"
    stopped = await sdk.messages.create(**ask(stop_sequences=[" rehearsal"]))
    assert stopped.stop_reason == "stop_sequence"
    assert stopped.stop_sequence == " rehearsal"
    assert stopped.content[0].text == "This is the"


async def test_no_thoughts_where_thinking_is_off(sdk: AsyncAnthropic) -> None:
    off = ask(model="claude-sonnet-5", thinking={"type": "disabled"}, messages=history(SMALL_LOAD))
    assert [b.type for b in (await sdk.messages.create(**off)).content] == ["tool_use"]
