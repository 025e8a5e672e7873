"""A worker dies while the object store hangs: its last change is in no snapshot, and not lost."""

import asyncio
import os
import signal

import pytest

from events import AttemptStarted, ModelReplied, SnapshotTaken, TaskFinished, ToolInterrupted
from services.worker.agent.tool_calls import calls_of
from tests.kit.run.phone import kill_workers, pull_requests, repository
from tests.kit.servers.forge import git_ok

PROMPT = "rehearse 3 tool calls"  # a command that writes, a look at it, and a file; then submit


@pytest.mark.parametrize("time", [1, 2, 3])
async def test_a_submission_on_a_change_that_is_gone_is_made_again(stack, phone, time, tmp_path):
    made = await repository(stack, "slugify")
    task = await phone.submit(PROMPT, made.url)
    store = stack.pid("storage")
    events = []
    try:
        async with asyncio.timeout(150):
            async for recorded in phone.watch(task["id"]):
                event = recorded.event
                events.append(event)
                if isinstance(event, SnapshotTaken) and not _kind(events[:-1], SnapshotTaken):
                    os.kill(store, signal.SIGSTOP)
                is_first = len(_kind(events, AttemptStarted)) == 1
                if is_first and isinstance(event, ModelReplied) and _is_submitting(event):
                    assert kill_workers(stack) == 1
                    os.kill(store, signal.SIGCONT)
    finally:
        os.kill(store, signal.SIGCONT)

    first, second = _kind(events, AttemptStarted)
    assert first.undone == ()
    assert [call.tool for call in second.undone] == ["write"]
    assert [e.reason for e in _kind(events, ToolInterrupted)] == ["not_run"]
    assert [e.outcome for e in _kind(events, TaskFinished)] == ["pull_request"]
    [opened] = await pull_requests(stack, made, task["id"])
    git_ok(
        "clone",
        "-q",
        "--branch",
        opened["head"]["ref"],
        made.url,
        tmp_path / "got",
        token=stack.forge.token,
    )
    assert {f.name for f in (tmp_path / "got/rehearsal").iterdir()} == {"0001.txt", "0003.txt"}


def _kind(events, kind):
    return [event for event in events if isinstance(event, kind)]


def _is_submitting(event: ModelReplied) -> bool:
    return "submit" in [call.name for call in calls_of(event.blocks)]
