"""Conversations longer than the model's window, with a worker at work on them."""

import asyncio
import re

import msgspec
import pytest

from events import (
    ContextCompacted,
    ModelReplied,
    ModelRequested,
    TaskFailed,
    TaskFinished,
    TaskInstructed,
    TaskInterrupted,
    ToolStarted,
    Usage,
)
from services.worker.agent.context.summary import REQUEST
from services.worker.agent.messages import build_messages
from services.worker.effects.model import client
from services.worker.ports import CommandResult
from tests.kit.build.worker_history import SUBMITTED
from tests.kit.fakes.worker_world import Bench, called, said
from tests.kit.run.driven_workers import SLOW, SUBMIT, WRITE, driven
from tests.kit.run.rehearsal_model import running_model

LONG = Usage(input_tokens=500_000, output_tokens=10)
WINDOW_TOKENS = 10_000
TURNS = 160


def at_the_limit(reply):
    return msgspec.structs.replace(reply, usage=LONG)


def texts(messages):
    return [b["text"] for m in messages for b in m["content"] if b["type"] == "text"]


async def test_the_model_goes_on_from_its_own_summary_and_what_it_has_not_read():
    read = ("c1", "bash", {"command": "cat x"})
    bench = Bench(at_the_limit(called(read)), said("I looked at x."), called(SUBMIT))
    bench.sandbox.scripts["cat x"] = lambda _: CommandResult(exit_code=0, output=b"the secret")
    await bench.append(SUBMITTED)

    await driven(bench)

    _, asked, after = bench.model.model_requests
    assert asked.messages[-1]["content"][-1] == {"type": "text", "text": REQUEST}
    assert asked.messages[-1]["content"][0]["tool_use_id"] == "c1"
    [message] = after.messages
    prompt, summary = texts([message])
    assert prompt == SUBMITTED.prompt
    assert "I looked at x." in summary
    assert "the secret" in summary
    [compacted] = bench.facts(ContextCompacted)
    assert (compacted.turn, compacted.tokens_before > 500_000) == (2, True)
    assert 0 < compacted.tokens_after < 20_000
    assert [fact.turn for fact in bench.facts(ModelReplied)] == [1, 2]
    assert bench.tags[-2:] == ["task.finished", "attempt.ended"]


async def test_what_is_said_while_the_summary_is_written_reaches_the_model_whole():
    bench = Bench()
    await bench.append(SUBMITTED)

    async def interrupted_by_a_word():
        await bench.append(TaskInstructed(text="and quickly"))
        return said("so far")

    bench.model.replies = [at_the_limit(called(WRITE)), interrupted_by_a_word, called(SUBMIT)]
    await driven(bench)

    last = texts(bench.model.model_requests[-1].messages)
    assert last[0] == SUBMITTED.prompt
    assert last[-1] == "and quickly"
    assert len(bench.facts(ContextCompacted)) == 1


async def test_a_summary_under_way_is_stopped_with_the_task():
    bench = Bench()
    await bench.append(SUBMITTED)

    async def stopped():
        await bench.append(TaskInterrupted())
        await bench.append(TaskInstructed(text="go on"))
        await asyncio.sleep(0)
        return said("so far")

    bench.model.replies = [at_the_limit(called(WRITE)), stopped, said("so far"), called(SUBMIT)]
    await driven(bench)

    assert len(bench.facts(ContextCompacted)) == 1
    assert len(bench.facts(TaskFinished)) == 1


async def test_a_model_that_writes_no_summary_gets_an_account_of_its_work():
    bench = Bench(at_the_limit(called(WRITE)), called(("x", "glob", {})), called(SUBMIT))
    await bench.append(SUBMITTED)

    await driven(bench)

    [compacted] = bench.facts(ContextCompacted)
    assert compacted.writer == "worker"
    assert compacted.cost_microusd > 0
    assert "a.py" in compacted.summary
    assert [each.call for each in bench.facts(ToolStarted)] == ["c1", "c9"]


async def test_calls_of_a_reply_that_met_the_end_of_the_window_are_never_run():
    cut = msgspec.structs.replace(called(SLOW), stop_reason="model_context_window_exceeded")
    bench = Bench(cut, said("Again."))
    await bench.append(SUBMITTED)

    await driven(bench)

    assert not bench.facts(ToolStarted)
    assert "Not run" in texts(bench.model.model_requests[-1].messages)[-1]
    assert len(bench.facts(TaskFinished)) == 1


def test_wherever_a_worker_dies_the_summary_is_paid_for_once_it_is_stored_and_the_end_is_the_same():
    whole = asyncio.run(_carried())
    [compacted] = [at for at, tag in enumerate(whole.tags) if tag == "context.compacted"]
    for length in range(1, len(whole.recorded)):
        asyncio.run(_resumed(whole, length, is_stored=length > compacted))


def _scripted() -> Bench:
    """A model that counts its work by what it is sent, as a real one does."""
    bench = Bench(files={"x": "old"})
    replies = [
        called(("c1", "read", {"path": "x"})),
        at_the_limit(called(("c2", "write", {"path": "x", "content": "new"}))),
        called(("c3", "write", {"path": "y", "content": "more"})),
        called(("c4", "submit", {"summary": "done", "title": "T", "body": "B"})),
    ]

    async def answer(question, on_delta):
        bench.model.model_requests.append(question)
        done = sum(m["role"] == "assistant" for m in question.messages)
        words = "\n".join(texts(question.messages))
        done += sum(map(int, re.findall(r"Replies so far: (\d)", words)))
        return said(f"Replies so far: {done}") if REQUEST in words else replies[done]

    bench.model.ask = answer
    return bench


async def _carried() -> Bench:
    bench = _scripted()
    await bench.append(SUBMITTED)
    await driven(bench)
    return bench


async def _resumed(dead: Bench, length: int, *, is_stored: bool) -> None:
    heir = _scripted()
    heir.log.recorded = dead.log.recorded[:length]
    heir.blobs.stored, heir.blobs.trees = dead.blobs.stored, dead.blobs.trees
    await driven(heir, 2)

    assert heir.facts(TaskFinished) == dead.facts(TaskFinished)
    assert len(heir.facts(ContextCompacted)) == 1
    asked = [REQUEST in texts(each.messages) for each in heir.model.model_requests]
    assert sum(asked) == (0 if is_stored else 1)


class _Commands(dict):
    """Commands of the sample task `rehearse`, with their output."""

    def get(self, script, default):
        found = re.search(r"echo (\d+) > (\S+)", script)
        if found is None:
            return super().get(script, default)
        number, path = found.groups()

        def run(sandbox):
            sandbox.files[path] = f"{number}\n".encode()
            return CommandResult(exit_code=0, output=f"{number}\n".encode())

        return run


@pytest.fixture
async def small_window(tmp_path):
    """A model whose window is small, and which refuses every prompt that is longer."""
    with running_model(tmp_path / "model", window_tokens=WINDOW_TOKENS) as running:
        async with client.connect(running.url, running.key) as connected:
            yield running, connected


async def test_a_task_of_hundreds_of_turns_goes_on_in_a_small_window(small_window):
    running, connected = small_window
    bench = Bench()
    bench.model = connected
    bench.sandbox.scripts = _Commands()
    await bench.append(msgspec.structs.replace(SUBMITTED, prompt=f"Rehearse {TURNS} tool calls."))
    bench.clock.step_seconds = 0.0001

    await driven(bench, seconds=60)

    assert not bench.facts(TaskFailed)
    assert len(bench.facts(TaskFinished)) == 1
    assert bench.facts(ModelRequested)[-1].turn > TURNS
    compacted = bench.facts(ContextCompacted)
    assert len(compacted) > 2
    assert {each.writer for each in compacted[1:]} == {"model"}
    assert all(each.tokens_after < each.tokens_before for each in compacted)
    billed = running.ledger("task_1")["completed"]
    paid = [*bench.facts(ModelReplied), *compacted]
    for name in Usage.__struct_fields__:
        assert billed[name] == sum(getattr(each.usage, name) for each in paid)
    [prompt, *_] = texts(build_messages(bench.recorded))
    assert prompt == f"Rehearse {TURNS} tool calls."
