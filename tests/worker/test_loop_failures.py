import asyncio
from datetime import timedelta

import msgspec

from events import (
    AttemptEnded,
    AttemptStarted,
    ModelFailed,
    ModelReplied,
    SnapshotTaken,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TaskInstructed,
    TaskInterrupted,
    ToolInterrupted,
    ToolStarted,
)
from services.worker.agent.failures.outage import Unreachable
from services.worker.effects.task_history import MAX_BLOCKS_BYTES
from services.worker.loop import SHUTDOWN_SECONDS
from services.worker.ports import SandboxUnavailable, WorkspaceRefused
from tests.kit.build.worker_history import SECOND, SUBMITTED
from tests.kit.fakes.worker_world import Bench, called, out_of_luck, said
from tests.kit.run.driven_workers import (
    SLOW,
    SLOW_TOO,
    SUBMIT,
    WRITE,
    driven,
    driving,
    last_words,
    until,
)

LONG_TEXT = "x" * 2 * MAX_BLOCKS_BYTES


async def test_cancelling_stops_a_running_tool_and_ends_the_attempt():
    bench = Bench(called(SLOW))
    bench.sandbox.endless.add("sleep")
    await bench.append(SUBMITTED)

    async with driving(bench):
        await bench.sandbox.running.wait()
        await bench.append(TaskCancelled(reason="changed my mind"))

    assert bench.sandbox.was_stopped == ["sleep"]
    assert bench.tags[-3:] == ["task.cancelled", "tool.interrupted", "attempt.ended"]


async def test_an_interrupted_model_call_waits_for_a_word():
    never = asyncio.Event()
    asked = asyncio.Event()

    async def hang():
        asked.set()
        await never.wait()

    bench = Bench(hang, said("I see."))
    await bench.append(SUBMITTED)

    async with driving(bench):
        await asked.wait()
        await bench.append(TaskInterrupted())
        await bench.append(TaskInstructed(text="other way"))

    assert [b["text"] for b in last_words(bench)] == ["fix it", "other way"]
    assert len(bench.facts(TaskFinished)) == 1


async def test_an_interrupted_tool_is_told_to_the_model():
    bench = Bench(called(SLOW, ("c2", "bash", {"command": "next"})), said("I see."))
    bench.sandbox.endless.add("sleep")
    await bench.append(SUBMITTED)

    async with driving(bench):
        await bench.sandbox.running.wait()
        await bench.append(TaskInterrupted())
        await until(bench, ToolInterrupted, 2)
        await bench.append(TaskInstructed(text="leave it"))

    results = last_words(bench)
    assert [r.get("is_error") for r in results[:2]] == [True, True]
    assert "next" not in bench.sandbox.ran


async def test_a_new_attempt_restores_the_snapshot_and_tells_of_lost_calls():
    bench = Bench(called(WRITE), called(SLOW_TOO))
    bench.sandbox.endless.add("sleep")
    await bench.append(SUBMITTED)
    async with asyncio.TaskGroup() as group:  # a worker that is killed in the middle of a call
        worker = group.create_task(driven(bench))
        await bench.sandbox.running.wait()
        worker.cancel()
    survived = Bench(said("Going on."))
    survived.log, survived.blobs = bench.log, bench.blobs
    survived.workspace.blobs = bench.blobs

    await driven(survived, 2)

    taken = survived.facts(SnapshotTaken)[0]
    assert survived.workspace.restored == [taken.tree]
    assert survived.sandbox.files == {"a.py": b"print()\n"}
    assert survived.facts(ToolInterrupted) == [ToolInterrupted(call="c2", reason="machine_lost")]
    [result, notice] = last_words(survived)
    assert result["is_error"]
    assert "new machine" in notice["text"]
    assert survived.facts(TaskFinished)[0].outcome == "pull_request"


async def test_a_fenced_worker_rests_and_writes_nothing_more():
    bench = Bench(called(SLOW))
    bench.sandbox.endless.add("sleep")
    await bench.append(SUBMITTED)

    async with driving(bench):
        await bench.sandbox.running.wait()
        await bench.append(SECOND, by="scheduler")

    assert bench.tags[-1] == "machine.requested"


async def test_an_overloaded_model_is_asked_again():
    bench = Bench(out_of_luck(), out_of_luck("connection_lost"), said("At last."))
    bench.clock.step_seconds = 10  # so that retries come due
    await bench.append(SUBMITTED)

    await driven(bench)

    assert [f.kind for f in bench.facts(ModelFailed)] == ["overloaded", "connection_lost"]
    assert bench.model.model_requests[0] == bench.model.model_requests[2]
    assert len(bench.facts(TaskFinished)) == 1


async def test_a_refused_key_fails_the_task_with_a_remedy():
    bench = Bench(out_of_luck("key_refused"))
    await bench.append(SUBMITTED)

    await driven(bench)

    [failure] = bench.facts(TaskFailed)
    assert failure.reason == "model_refused_key"
    assert "ANTHROPIC_API_KEY" in failure.remedy


async def test_calls_of_a_reply_that_stopped_short_are_never_run():
    reply = msgspec.structs.replace(called(SLOW), stop_reason="strange")
    bench = Bench(reply, said("Again."))
    await bench.append(SUBMITTED)

    await driven(bench)
    assert len(bench.facts(TaskFailed)) == 1
    assert not bench.facts(ToolStarted)

    await bench.append(TaskInstructed(text="go on"))
    await driven(bench, 2)
    assert last_words(bench)[0]["is_error"]
    assert len(bench.facts(TaskFinished)) == 1


async def test_a_missing_repository_fails_the_task():
    bench = Bench()
    await bench.append(SUBMITTED)
    bench.workspace.refusal = WorkspaceRefused("repository_not_found", "no such", "Check the URL.")

    await driven(bench)

    assert bench.facts(TaskFailed) == [
        TaskFailed(reason="repository_not_found", detail="no such", remedy="Check the URL.")
    ]
    assert bench.facts(AttemptEnded) == [AttemptEnded(attempt=1, reason="failed")]


async def test_a_machine_without_a_sandbox_fails_the_task():
    bench = Bench()
    await bench.append(SUBMITTED)
    bench.sandbox.trouble = SandboxUnavailable("no bubblewrap")

    await driven(bench)

    assert bench.facts(TaskFailed)[0].reason == "sandbox_unavailable"


async def test_an_instruction_after_the_end_goes_on_in_a_new_attempt():
    bench = Bench(called(WRITE), called(SUBMIT), said("More done."))
    await bench.append(SUBMITTED)
    await driven(bench)

    await bench.append(TaskInstructed(text="one more thing"))
    await driven(bench, 2)

    assert [f.attempt for f in bench.facts(AttemptStarted)] == [1, 2]
    assert len(bench.workspace.restored) == 1
    assert [f.summary for f in bench.facts(TaskFinished)] == ["fixed", "More done."]
    [result, *texts] = last_words(bench)
    assert result["content"] == "Submitted: http://forge/pull/7"
    assert texts[0]["text"] == "one more thing"


async def test_a_worker_told_to_stop_leaves_its_work_behind():
    bench = Bench(called(WRITE, SLOW_TOO))
    bench.sandbox.endless.add("sleep")
    await bench.append(SUBMITTED)

    async with driving(bench):
        await bench.sandbox.running.wait()
        bench.stopping.set()

    assert bench.tags[-4:] == [
        "snapshot.taken",
        "tool.started",
        "tool.interrupted",
        "attempt.ended",
    ]
    assert bench.facts(AttemptEnded)[0].reason == "drained"


async def test_at_its_deadline_a_task_fails_and_keeps_its_work():
    bench = Bench(called(WRITE, SLOW_TOO))
    bench.sandbox.endless.add("sleep")
    await bench.append(SUBMITTED)

    await driven(bench, deadline=bench.clock.now + timedelta(seconds=SHUTDOWN_SECONDS + 0.3))

    assert bench.tags[-4:] == ["tool.started", "tool.interrupted", "task.failed", "attempt.ended"]
    assert len(bench.facts(SnapshotTaken)) == 1
    assert bench.facts(TaskFailed)[0].reason == "deadline"


async def test_a_gateway_out_of_reach_ends_the_attempt_and_not_the_task():
    async def hang():
        await asyncio.Event().wait()

    bench = Bench(called(WRITE), hang)
    await bench.append(SUBMITTED)
    bench.blobs.trouble = Unreachable("object_store_unreachable", "It is away.")

    await driven(bench)

    assert bench.facts(AttemptEnded) == [
        AttemptEnded(attempt=1, reason="object_store_unreachable", detail="It is away.")
    ]
    assert not bench.facts(TaskFailed)


async def test_a_reply_that_cannot_be_fetched_for_now_ends_the_attempt_and_not_the_task():
    """The next attempt reads the history, and its long reply stands in a store that is away."""
    bench = Bench(called(("c1", "bash", {"command": "sleep", "why": LONG_TEXT})), said("Done."))
    bench.sandbox.endless.add("sleep")
    await bench.append(SUBMITTED)
    async with asyncio.TaskGroup() as group:  # a worker that is killed in the middle of a call
        worker = group.create_task(driven(bench))
        await bench.sandbox.running.wait()
        worker.cancel()
    assert bench.facts(ModelReplied)[0].blob is not None
    away = Unreachable("object_store_unreachable", "It is away.")

    bench.blobs.reading_trouble = away
    await driven(bench, 2)
    assert bench.facts(AttemptEnded) == [
        AttemptEnded(attempt=2, reason="object_store_unreachable", detail="It is away.")
    ]
    bench.blobs.reading_trouble = None
    bench.sandbox.endless.clear()
    await driven(bench, 3)
    assert not bench.facts(TaskFailed)
    assert len(bench.facts(TaskFinished)) == 1
    assert LONG_TEXT in str(bench.model.model_requests[-1].messages)


async def test_a_reply_that_is_lost_fails_the_task_in_words():
    bench = Bench(called(("c1", "bash", {"command": "sleep", "why": LONG_TEXT})))
    bench.sandbox.endless.add("sleep")
    await bench.append(SUBMITTED)
    async with asyncio.TaskGroup() as group:
        worker = group.create_task(driven(bench))
        await bench.sandbox.running.wait()
        worker.cancel()
    bench.blobs.stored.clear()

    await driven(bench, 2)

    [failed] = bench.facts(TaskFailed)
    assert failed.reason == "history_unreadable"
    assert "cannot be read from its blob" in failed.detail
    assert failed.remedy


async def test_a_log_that_lost_its_answer_gets_every_fact_once():
    bench = Bench(called(WRITE), called(SUBMIT))
    await bench.append(SUBMITTED)
    bench.log.fail_next_append(is_stored=True)
    bench.log.fail_next_append(is_stored=False)

    await driven(bench)

    assert bench.tags.count("attempt.started") == 1
    assert bench.tags[-1] == "attempt.ended"
