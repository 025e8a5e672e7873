import asyncio

import msgspec
import pytest

from events import (
    Budget,
    BudgetRaised,
    InstructionWithdrawn,
    ModelReplied,
    ModelRequested,
    PlanUpdated,
    QuestionAnswered,
    QuestionAsked,
    SnapshotTaken,
    TaskFailed,
    TaskFinished,
    TaskInstructed,
    ToolCompleted,
    ToolStarted,
)
from tests.kit.build.worker_history import SUBMITTED
from tests.kit.fakes.fake_sandbox import printed
from tests.kit.fakes.worker_world import HISTORY, Bench, called, said
from tests.kit.probe.eventually import eventually
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
        "model.requested",
        "snapshot.taken",
        "model.replied",
        "tool.started",
        "artifact.stored",
        "branch.pushed",
        "pull_request.opened",
        "tool.completed",
        "task.finished",
        "attempt.ended",
    ]
    assert bench.facts(TaskFinished) == [TaskFinished(summary="fixed", outcome="pull_request")]
    [(title, trailers)] = bench.workspace.pushed
    assert title == "Fix it"
    assert trailers["Task"] == HISTORY.task
    assert trailers["Event"] in {r.id for r in bench.recorded if isinstance(r.event, ModelReplied)}
    assert "task_1" in bench.forge.opened[0]["body"]
    assert all(r.by == "worker:1" for r in bench.recorded[1:])


async def test_work_is_kept_while_the_model_thinks_and_before_the_next_change():
    bench = Bench()
    await bench.append(SUBMITTED)

    async def when_kept():
        await until(bench, SnapshotTaken)
        return called(SLOW_TOO)

    bench.model.replies = [called(WRITE), when_kept, called(SUBMIT)]
    await driven(bench)

    [taken] = bench.facts(SnapshotTaken)
    assert taken.files == 1
    begun = [r.version for r in bench.recorded if isinstance(r.event, ToolStarted)]
    kept = next(r.version for r in bench.recorded if isinstance(r.event, SnapshotTaken))
    assert begun[0] < kept < begun[1]


async def test_a_change_waits_for_a_snapshot_that_is_slower_than_the_model():
    bench = Bench(called(WRITE), called(SLOW_TOO), called(SUBMIT))
    bench.workspace.delay = slow = asyncio.Event()
    await bench.append(SUBMITTED)

    async with driving(bench):
        await until(bench, ModelReplied, 2)
        started = len(bench.facts(ToolStarted))
        slow.set()

    assert started == 1
    kept = next(r.version for r in bench.recorded if isinstance(r.event, SnapshotTaken))
    begun = [r.version for r in bench.recorded if isinstance(r.event, ToolStarted)]
    assert kept < begun[1]


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
    assert [title for title, _ in bench.workspace.pushed] == ["fix it"]


@pytest.mark.parametrize("replies", [(called(WRITE), called(SUBMIT)), (called(WRITE), said("ok"))])
async def test_work_that_the_base_holds_already_ends_as_a_branch_in_plain_words(replies):
    bench = Bench(*replies)
    await bench.append(SUBMITTED)
    bench.forge.has_merged = True

    await driven(bench)

    [finished] = bench.facts(TaskFinished)
    assert finished.outcome == "branch"
    assert "the base branch holds this work already" in finished.summary
    assert not bench.facts(TaskFailed)
    assert len(bench.forge.opened) == 1


async def test_reading_calls_run_side_by_side_and_their_results_go_back_in_one_message():
    bench = Bench(
        called(("r1", "read", {"path": "a"}), ("r2", "read", {"path": "b"}), ("r3", "grep", {})),
        said("Read."),
        files={"a": "alpha\n", "b": "beta\n"},
    )
    await bench.append(SUBMITTED)

    await driven(bench)

    starts = [r.version for r in bench.recorded if isinstance(r.event, ToolStarted)]
    ends = [r.version for r in bench.recorded if isinstance(r.event, ToolCompleted)]
    assert max(starts) < min(ends)
    results = bench.model.model_requests[1].messages[-1]["content"]
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
    assert bench.model.model_requests[1].messages[-1]["content"][0]["content"] == "no tabs"


async def test_an_instruction_instead_of_an_answer_closes_the_question():
    bench = Bench(called(("q", "ask", {"question": "Tabs?"})), said("Fine."))
    await bench.append(SUBMITTED)

    async with driving(bench):
        await until(bench, QuestionAsked)
        await bench.append(TaskInstructed(text="never mind, use spaces"))

    [result, words] = bench.model.model_requests[1].messages[-1]["content"]
    assert "wrote something new" in result["content"]
    assert words == {"type": "text", "text": "never mind, use spaces"}


async def test_a_steering_word_enters_after_the_tool_results():
    bench = Bench(called(SLOW), said("As you proposal."))
    bench.sandbox.scripts["sleep"] = printed("slept")
    await bench.append(SUBMITTED)

    async def interject() -> None:
        await bench.append(TaskInstructed(text="be quick"))

    bench.log.before_next_append(_nothing)  # attempt.started
    bench.log.before_next_append(_nothing)  # workspace.prepared
    bench.log.before_next_append(_nothing)  # model.requested
    bench.log.before_next_append(interject)  # model.replied meets a word said in the meantime
    await driven(bench)

    assert [b.get("content") or b.get("text") for b in last_words(bench)] == ["slept", "be quick"]
    assert len(bench.facts(ModelReplied)) == 2, "the reply that was paid for is recorded"


async def _nothing() -> None:
    return None


async def test_an_instruction_queued_waits_for_the_end_of_the_work():
    bench = Bench(called(WRITE), said("First done."), said("Second done."))
    await bench.append(SUBMITTED, TaskInstructed(text="and then this", mode="queue"))
    # said before the first request, it is part of the first errand; said later it waits
    bench.model.replies.insert(0, _then(bench, TaskInstructed(text="later", mode="queue"), WRITE))

    await driven(bench)

    assert [len(q.messages) for q in bench.model.model_requests] == [1, 3, 5, 7]
    assert last_words(bench) == [{"type": "text", "text": "later"}]
    assert bench.facts(TaskFinished) == [
        TaskFinished(summary="Second done.", outcome="pull_request")
    ]


async def test_an_instruction_withdrawn_before_the_end_of_the_work_begins_no_other():
    bench = Bench(called(WRITE), said("Done."))
    queued = TaskInstructed(text="later", mode="queue")
    await bench.append(SUBMITTED)

    async def say_and_withdraw():
        await bench.append(queued)
        version = bench.recorded[-1].version
        await bench.append(InstructionWithdrawn(instruction=version))

    bench.log.before_next_append(say_and_withdraw)
    await driven(bench)

    assert bench.facts(TaskFinished) == [TaskFinished(summary="Done.", outcome="pull_request")]
    assert "later" not in str([q.messages for q in bench.model.model_requests])


async def test_a_request_that_leaves_queued_instructions_for_later_says_so():
    bench = Bench(called(WRITE), said("First done."), said("Second done."))
    queued = TaskInstructed(text="later", mode="queue")
    await bench.append(SUBMITTED)
    bench.model.replies.insert(0, _then(bench, queued, WRITE))

    await driven(bench)

    assert [each.leaves_queued for each in bench.facts(ModelRequested)] == [
        False, True, True, False,
    ]  # fmt: skip


def _then(bench: Bench, event, call):
    async def reply():
        await bench.append(event)
        return called(("c0", *call[1:]))

    return reply


async def test_a_budget_that_is_spent_waits_until_it_is_raised():
    bench = Bench(called(WRITE), called(SUBMIT))
    await bench.append(msgspec.structs.replace(SUBMITTED, budget=Budget(cost_microusd=1)))

    async with driving(bench):
        await eventually(lambda: bench.tags[-1] == "budget.exhausted")
        await bench.append(BudgetRaised(cost_microusd=1_000_000))

    assert len(bench.facts(TaskFinished)) == 1


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

    assert bench.model.model_requests[-1].messages[1]["content"][0]["input"]["content"] == long


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
    assert [b.get("text") for b in bench.model.model_requests[2].messages[-1]["content"]] == [
        None,
        "wait, that too",
    ]
