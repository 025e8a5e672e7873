import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec
import pytest

from events import (
    AttemptEnded,
    AttemptStarted,
    Budget,
    BudgetRaised,
    MachineRequested,
    ModelFailed,
    ModelReplied,
    PlanUpdated,
    QuestionAnswered,
    QuestionAsked,
    Repository,
    SnapshotTaken,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TaskInstructed,
    TaskInterrupted,
    TaskSubmitted,
    ToolCompleted,
    ToolInterrupted,
    ToolStarted,
)
from events.scheduler import Guest
from services.worker.agent import LAST_SECONDS, drive
from services.worker.ports import GatewayUnreachable, SandboxUnavailable, WorkspaceRefused
from tests.support.eventually import eventually
from tests.support.fake_sandbox import printed
from tests.support.fake_world import BEGAN, HISTORY, Bench, called, out_of_luck, said

SUBMITTED = TaskSubmitted(
    prompt="mend it", repository=Repository("http://forge/a/b"), model="claude-sonnet-5-5"
)
SUBMIT = ("c9", "submit", {"summary": "mended", "title": "Mend it", "body": "by hand"})
WRITE = ("c1", "write", {"path": "a.py", "content": "print()\n"})
SLOW = ("c1", "bash", {"command": "sleep"})


async def driven(bench: Bench, number: int = 1, **options) -> None:
    async with asyncio.timeout(10):
        await drive(bench.book(number), bench.world(), stopping=bench.stopping, **options)


@asynccontextmanager
async def driving(bench: Bench, number: int = 1):
    """A worker at work while inside; it must come to rest by itself."""
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(driven(bench, number))
        yield


async def until(bench: Bench, kind: type, count: int = 1) -> None:
    await eventually(lambda: len(bench.facts(kind)) >= count)


async def test_a_task_runs_from_its_prompt_to_a_pull_request():
    bench = Bench(called(WRITE), called(SUBMIT))
    await bench.append(SUBMITTED)

    await driven(bench)

    assert bench.tags == [
        "task.submitted",
        "attempt.started",
        "workspace.prepared",
        "model.requested",
        "model.replied",
        "tool.started",
        "tool.completed",
        "snapshot.taken",
        "model.requested",
        "model.replied",
        "tool.started",
        "artifact.stored",
        "branch.pushed",
        "pull_request.opened",
        "tool.completed",
        "task.finished",
        "attempt.ended",
    ]
    assert bench.facts(TaskFinished) == [TaskFinished(summary="mended", outcome="pull_request")]
    [(title, trailers)] = bench.workspace.pushed
    assert title == "Mend it"
    assert trailers["Task"] == HISTORY.task
    assert trailers["Event"] in {r.id for r in bench.recorded if isinstance(r.event, ModelReplied)}
    assert "task_1" in bench.forge.opened[0]["body"]
    assert all(r.by == "worker:1" for r in bench.recorded[1:])


async def test_an_answer_in_words_finishes_a_task_without_changes():
    bench = Bench(said("There is nothing to do."))
    await bench.append(SUBMITTED)

    await driven(bench)

    assert bench.facts(TaskFinished) == [
        TaskFinished(summary="There is nothing to do.", outcome="no_changes")
    ]
    assert not bench.workspace.pushed


async def test_changes_are_pushed_even_when_the_model_forgets_to_submit():
    bench = Bench(called(WRITE), said("Done."))
    await bench.append(SUBMITTED)
    bench.forge.has_pull_requests = False

    await driven(bench)

    assert bench.facts(TaskFinished) == [TaskFinished(summary="Done.", outcome="branch")]
    assert len(bench.forge.opened) == 1
    assert [title for title, _ in bench.workspace.pushed] == ["mend it"]


async def test_reading_calls_run_side_by_side_and_their_results_go_back_in_one_message():
    bench = Bench(
        called(("r1", "read", {"path": "a"}), ("r2", "read", {"path": "b"}), ("r3", "grep", {})),
        said("Read."),
        files={"a": "alpha", "b": "beta"},
    )
    await bench.append(SUBMITTED)

    await driven(bench)

    starts = [r.version for r in bench.recorded if isinstance(r.event, ToolStarted)]
    ends = [r.version for r in bench.recorded if isinstance(r.event, ToolCompleted)]
    assert max(starts) < min(ends)
    results = bench.model.questions[1].messages[-1]["content"]
    assert [r["tool_use_id"] for r in results] == ["r1", "r2", "r3"]
    assert results[0]["content"] == "1\talpha"
    assert results[2]["is_error"] is True


async def test_an_unknown_tool_and_wrong_arguments_are_told_to_the_model():
    bench = Bench(
        called(("x", "telnet", {}), ("y", "read", {"path": 5.5}), ("z", "submit", {"title": "?"})),
        said("Sorry."),
    )
    await bench.append(SUBMITTED)

    await driven(bench)

    outputs = [fact.output for fact in bench.facts(ToolCompleted)]
    assert all(fact.is_error for fact in bench.facts(ToolCompleted))
    assert "no tool telnet" in outputs[0]
    assert "do not fit" in outputs[1]
    assert "do not fit" in outputs[2]


async def test_a_plan_is_recorded():
    items = [{"text": "look", "state": "active"}]
    bench = Bench(called(("p", "plan", {"items": items})), said("Planned."))
    await bench.append(SUBMITTED)

    await driven(bench)

    assert [i.text for i in bench.facts(PlanUpdated)[0].items] == ["look"]


async def test_a_question_waits_for_its_answer():
    bench = Bench(called(("q", "ask", {"question": "Tabs?", "options": ["yes"]})), said("Fine."))
    await bench.append(SUBMITTED)

    async with driving(bench):
        await until(bench, QuestionAsked)
        asked = bench.facts(QuestionAsked)[0]
        await bench.append(QuestionAnswered(request=asked.request, text="no tabs"))

    assert asked.options == ("yes",)
    assert bench.model.questions[1].messages[-1]["content"][0]["content"] == "no tabs"


async def test_an_instruction_instead_of_an_answer_closes_the_question():
    bench = Bench(called(("q", "ask", {"question": "Tabs?"})), said("Fine."))
    await bench.append(SUBMITTED)

    async with driving(bench):
        await until(bench, QuestionAsked)
        await bench.append(TaskInstructed(text="never mind, use spaces"))

    [result, words] = bench.model.questions[1].messages[-1]["content"]
    assert "wrote something new" in result["content"]
    assert words == {"type": "text", "text": "never mind, use spaces"}


async def test_a_steering_word_enters_after_the_tool_results():
    bench = Bench(called(SLOW), said("As you wish."))
    bench.sandbox.scripts["sleep"] = printed("slept")
    await bench.append(SUBMITTED)

    async def interject() -> None:
        await bench.append(TaskInstructed(text="be quick"))

    bench.log.before_next_append(_nothing)  # attempt.started
    bench.log.before_next_append(_nothing)  # workspace.prepared
    bench.log.before_next_append(_nothing)  # model.requested
    bench.log.before_next_append(interject)  # model.replied meets a word said in the meantime
    await driven(bench)

    assert [b.get("content") or b.get("text") for b in _last_words(bench)] == ["slept", "be quick"]
    assert len(bench.facts(ModelReplied)) == 2, "the reply that was paid for is recorded"


async def _nothing() -> None:
    return None


def _last_words(bench: Bench):
    return bench.model.questions[-1].messages[-1]["content"]


async def test_an_instruction_queued_waits_for_the_end_of_the_work():
    bench = Bench(called(WRITE), said("First done."), said("Second done."))
    await bench.append(SUBMITTED, TaskInstructed(text="and then this", mode="queue"))
    # said before the first request, it is part of the first errand; said later it waits
    bench.model.replies.insert(0, _then(bench, TaskInstructed(text="later", mode="queue"), WRITE))

    await driven(bench)

    assert [len(q.messages) for q in bench.model.questions] == [1, 3, 5, 7]
    assert _last_words(bench) == [{"type": "text", "text": "later"}]
    assert bench.facts(TaskFinished) == [
        TaskFinished(summary="Second done.", outcome="pull_request")
    ]


def _then(bench: Bench, event, call):
    async def reply():
        await bench.append(event)
        return called(("c0", *call[1:]))

    return reply


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

    assert [b["text"] for b in _last_words(bench)] == ["mend it", "other way"]
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

    results = _last_words(bench)
    assert [r.get("is_error") for r in results[:2]] == [True, True]
    assert "next" not in bench.sandbox.ran


async def test_a_new_attempt_restores_the_snapshot_and_tells_of_lost_calls():
    bench = Bench(called(WRITE), called(("c2", "bash", {"command": "sleep"})))
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
    [result, notice] = _last_words(survived)
    assert result["is_error"]
    assert "new machine" in notice["text"]
    assert survived.facts(TaskFinished)[0].outcome == "pull_request"


async def test_a_fenced_worker_rests_and_writes_nothing_more():
    bench = Bench(called(SLOW))
    bench.sandbox.endless.add("sleep")
    await bench.append(SUBMITTED)

    async with driving(bench):
        await bench.sandbox.running.wait()
        await bench.append(_requested(2), by="scheduler")

    assert bench.tags[-1] == "machine.requested"


def _requested(attempt: int) -> MachineRequested:
    guest = Guest("shared", 1, 256)
    return MachineRequested(
        attempt=attempt, name="m", region="r", guest=guest, deadline=BEGAN + timedelta(days=1)
    )


async def test_a_budget_that_is_spent_waits_until_it_is_raised():
    bench = Bench(called(WRITE), called(SUBMIT))
    await bench.append(msgspec.structs.replace(SUBMITTED, budget=Budget(cost_microusd=1)))

    async with driving(bench):
        await eventually(lambda: bench.tags[-1] == "budget.exhausted")
        await bench.append(BudgetRaised(cost_microusd=1_000_000))

    assert len(bench.facts(TaskFinished)) == 1


async def test_an_overloaded_model_is_asked_again():
    bench = Bench(out_of_luck(), out_of_luck("connection_lost"), said("At last."))
    await bench.append(SUBMITTED)

    await driven(bench)

    assert [f.kind for f in bench.facts(ModelFailed)] == ["overloaded", "connection_lost"]
    assert bench.model.questions[0] == bench.model.questions[2]
    assert len(bench.facts(TaskFinished)) == 1


async def test_a_refused_key_fails_the_task_with_a_remedy():
    bench = Bench(out_of_luck("key_refused"))
    await bench.append(SUBMITTED)

    await driven(bench)

    [failure] = bench.facts(TaskFailed)
    assert failure.reason == "model_refused_key"
    assert "ANTHROPIC_API_KEY" in failure.remedy


@pytest.mark.parametrize("stop_reason", ["refusal", "max_tokens", "model_context_window_exceeded"])
async def test_calls_of_a_reply_that_stopped_short_are_never_run(stop_reason):
    reply = msgspec.structs.replace(called(SLOW), stop_reason=stop_reason)
    bench = Bench(reply, said("Again."))
    await bench.append(SUBMITTED)

    await driven(bench)
    assert bench.facts(TaskFailed)[0].reason == "model_refused"
    assert not bench.facts(ToolStarted)

    await bench.append(TaskInstructed(text="go on"))
    await driven(bench, 2)
    assert _last_words(bench)[0]["is_error"]
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
    assert [f.summary for f in bench.facts(TaskFinished)] == ["mended", "More done."]
    [result, *texts] = _last_words(bench)
    assert result["content"] == "Submitted: http://forge/pull/7"
    assert texts[0]["text"] == "one more thing"


async def test_a_worker_told_to_stop_leaves_its_work_behind():
    bench = Bench(called(WRITE, ("c2", "bash", {"command": "sleep"})))
    bench.sandbox.endless.add("sleep")
    await bench.append(SUBMITTED)

    async with driving(bench):
        await bench.sandbox.running.wait()
        bench.stopping.set()

    assert bench.tags[-3:] == ["tool.interrupted", "snapshot.taken", "attempt.ended"]
    assert bench.facts(AttemptEnded)[0].reason == "drained"


async def test_at_its_deadline_a_task_fails_and_keeps_its_work():
    bench = Bench(called(WRITE, ("c2", "bash", {"command": "sleep"})))
    bench.sandbox.endless.add("sleep")
    await bench.append(SUBMITTED)

    await driven(bench, deadline=bench.clock.now + timedelta(seconds=LAST_SECONDS + 0.3))

    assert bench.tags[-4:] == ["tool.interrupted", "snapshot.taken", "task.failed", "attempt.ended"]
    assert bench.facts(TaskFailed)[0].reason == "deadline"


async def test_a_gateway_out_of_reach_ends_the_attempt_and_not_the_task():
    bench = Bench(called(WRITE))
    await bench.append(SUBMITTED)
    bench.blobs.trouble = GatewayUnreachable("gone")

    await driven(bench)

    assert bench.facts(AttemptEnded) == [AttemptEnded(attempt=1, reason="gateway_unreachable")]
    assert not bench.facts(TaskFailed)


async def test_a_log_that_lost_its_answer_gets_every_fact_once():
    bench = Bench(called(WRITE), called(SUBMIT))
    await bench.append(SUBMITTED)
    bench.log.fail_next_append(is_stored=True)
    bench.log.fail_next_append(is_stored=False)

    await driven(bench)

    assert bench.tags.count("attempt.started") == 1
    assert bench.tags[-1] == "attempt.ended"


async def test_a_long_reply_stands_in_the_object_store_and_comes_back():
    long = "x" * 100_000
    bench = Bench(called(("c1", "write", {"path": "a", "content": long})), said("Done."))
    await bench.append(SUBMITTED)
    await driven(bench)
    replied = bench.facts(ModelReplied)[0]
    assert replied.blob is not None
    assert not replied.blocks

    await bench.append(TaskInstructed(text="more"))
    bench.model.replies.append(said("More."))
    await driven(bench, 2)

    assert bench.model.questions[-1].messages[1]["content"][0]["input"]["content"] == long


async def test_a_long_output_is_cut_and_kept_whole():
    bench = Bench(called(SLOW), said("Long."))
    text = "".join(f"line {number}\n" for number in range(20_000))
    bench.sandbox.scripts["sleep"] = printed(text)
    await bench.append(SUBMITTED)

    await driven(bench)

    [completed] = bench.facts(ToolCompleted)
    assert completed.is_truncated
    assert len(completed.output.encode()) <= 30 * 1024
    assert completed.output.startswith("line 0\n")
    assert completed.output.endswith("line 19999")
    assert bench.blobs.stored[completed.artifact.key].decode() == text.rstrip("\n")


async def test_what_happens_is_shown_live():
    bench = Bench(called(SLOW), said("Look at me."))
    bench.sandbox.scripts["sleep"] = printed("zzz")
    await bench.append(SUBMITTED)

    await driven(bench)

    items = [msgspec.json.decode(item) for item in bench.live]
    assert {
        "t": "eph",
        "task": "task_1",
        "kind": "output",
        "block": "c1",
        "offset": 0,
        "text": "zzz",
    } in items
    assert items[-1]["kind"] == "text"
    assert items[-1]["block"] == "2.0"


async def test_a_word_said_while_the_work_goes_out_is_heard_before_the_end():
    bench = Bench(called(WRITE), called(SUBMIT), said("That too."))
    bench.forge.meanwhile = lambda: bench.append(TaskInstructed(text="wait, that too"))
    await bench.append(SUBMITTED)

    await driven(bench)

    assert [f.summary for f in bench.facts(TaskFinished)] == ["That too."]
    assert [b.get("text") for b in bench.model.questions[2].messages[-1]["content"]] == [
        None,
        "wait, that too",
    ]
