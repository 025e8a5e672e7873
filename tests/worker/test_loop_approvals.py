"""A call that the policy covers waits for a person: asked, answered, refused, overtaken."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from events import (
    ApprovalAnswered,
    ApprovalRequested,
    ApprovalRule,
    CallId,
    TaskInstructed,
    ToolCompleted,
    ToolStarted,
)
from services.worker.agent.approvals.policy import CallPolicy, approval_need
from services.worker.agent.tool_calls import Call
from services.worker.effects.approval_request import approval_request
from tests.kit.build.worker_history import BEGAN, SUBMITTED, TASK
from tests.kit.fakes.fake_sandbox import FakeSandbox, printed
from tests.kit.fakes.worker_world import Bench, called, said
from tests.kit.run.driven_workers import WRITE, driven, driving, last_words, until

RISKY = replace(SUBMITTED, policy="risky")
REMOVE = ("c1", "bash", {"command": "rm -rf build"})
REMOVE_MORE = ("c2", "bash", {"command": "rm -rf dist"})


def answer(bench, verdict="allow", number=-1, **more):
    asked = bench.facts(ApprovalRequested)[number]
    return ApprovalAnswered(request=asked.request, digest=asked.digest, verdict=verdict, **more)


def bench_for(*replies):
    bench = Bench(*replies)
    bench.sandbox.scripts["rm -rf build"] = printed("gone")
    return bench


async def test_a_risky_call_is_shown_exactly_and_runs_once_it_is_allowed():
    bench = bench_for(called(REMOVE), said("Done."))
    await bench.append(RISKY)

    async with driving(bench):
        await until(bench, ApprovalRequested)
        assert not bench.facts(ToolStarted)
        await bench.append(answer(bench))

    [asked] = bench.facts(ApprovalRequested)
    assert (asked.command, asked.covers, asked.tool) == ("rm -rf build", "deleting files", "bash")
    assert len(asked.digest) == 64
    assert [done.output for done in bench.facts(ToolCompleted)] == ["gone"]


async def test_a_call_that_a_rule_forbids_is_not_made_and_the_model_learns_why():
    bench = bench_for(called(REMOVE), said("Done."))
    rule = ApprovalRule("deny", "command", "rm")
    await bench.append(replace(SUBMITTED, rules=(rule,)))

    await driven(bench)

    assert not bench.facts(ToolStarted)
    [refused] = bench.facts(ToolCompleted)
    assert refused.is_error
    assert refused.output.endswith("Forbidden here is running rm.")


async def test_a_call_that_a_rule_asks_about_waits_for_a_person_whatever_the_policy():
    bench = bench_for(called(REMOVE), said("Done."))
    rule = ApprovalRule("ask", "path", "build")
    await bench.append(replace(SUBMITTED, rules=(rule,)))

    async with driving(bench):
        await until(bench, ApprovalRequested)
        await bench.append(answer(bench))

    [asked] = bench.facts(ApprovalRequested)
    assert asked.covers == "changing build"
    assert [done.output for done in bench.facts(ToolCompleted)] == ["gone"]


async def test_an_edit_is_shown_as_the_difference_it_makes():
    bench = bench_for(called(WRITE), said("Done."))
    await bench.append(replace(SUBMITTED, policy="always"))

    async with driving(bench):
        await until(bench, ApprovalRequested)
        await bench.append(answer(bench))

    [asked] = bench.facts(ApprovalRequested)
    assert asked.command == ""
    assert "+print()" in asked.diff


@pytest.mark.parametrize(
    ("call", "diff"),
    [
        (
            ("write", {"path": "a.py", "content": "two\n"}),
            "--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-one\n+two\n",
        ),
        (
            ("write", {"path": "b.py", "content": "two\n"}),
            "--- /dev/null\n+++ b/b.py\n@@ -0,0 +1 @@\n+two\n",
        ),
        (("write", {"path": "a.py", "content": "one\n"}), "--- a/a.py\n+++ b/a.py\n"),
        (
            ("edit", {"path": "a.py", "old": "one", "new": "two"}),
            "--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-one\n+two\n",
        ),
        (
            (
                "edit",
                {
                    "path": "a.py",
                    "old": "one",
                    "new": "two",
                    "more": [{"old": "two\n", "new": "2\n3\n"}],
                },
            ),
            "--- a/a.py\n+++ b/a.py\n@@ -1 +1,2 @@\n-one\n+2\n+3\n",
        ),
        (
            ("edit", {"path": "a.py", "old": "three", "new": "two"}),
            "--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-three\n+two\n",
        ),
        (
            ("write", {"path": "long", "content": "short\n"}),
            "--- a/long\n+++ b/long\n@@ -0,0 +1 @@\n+short\n",
        ),
        (("bash", {"command": "ls"}), ""),
    ],
)
async def test_a_change_is_shown_against_the_file_as_it_is(call, diff):
    sandbox = FakeSandbox({"a.py": "one\n", "long": "line\n" * 100_000})
    made = Call(CallId("c"), *call)
    need = approval_need(CallPolicy("always"), TASK, made, "tree")
    asked = await approval_request(made, need, sandbox, now=BEGAN)
    assert asked.diff == diff
    assert asked.command == ("" if diff else "ls")


async def test_a_person_who_wrote_something_new_first_is_not_asked():
    async def overtaken():
        await bench.append(TaskInstructed(text="leave build alone"))
        return called(REMOVE)

    bench = bench_for(overtaken, said("Fine."))
    await bench.append(RISKY)
    await driven(bench)

    assert not bench.facts(ApprovalRequested)
    assert not bench.facts(ToolStarted)
    result, words = last_words(bench)
    assert "wrote something new first" in result["content"]
    assert words["text"] == "leave build alone"


async def test_leave_for_the_whole_task_ends_with_it():
    bench = bench_for(called(REMOVE), said("Done."), called(REMOVE_MORE), said("Done."))
    await bench.append(RISKY)
    async with driving(bench):
        await until(bench, ApprovalRequested)
        await bench.append(answer(bench, scope="task"))
    await bench.append(TaskInstructed(text="and dist"))
    async with driving(bench, 2):
        await until(bench, ApprovalRequested, 2)
        await bench.append(answer(bench, "deny"))

    assert [done.call for done in bench.facts(ToolStarted)] == ["c1"]


async def test_a_call_that_is_denied_does_not_run_and_the_model_is_told_why():
    bench = bench_for(called(REMOVE), said("As you proposal."))
    await bench.append(RISKY)

    async with driving(bench):
        await until(bench, ApprovalRequested)
        await bench.append(answer(bench, "deny", reason="I need\nthe build"))

    assert not bench.facts(ToolStarted)
    [result] = last_words(bench)
    assert result["is_error"]
    assert "does not allow this call" in result["content"]
    assert "I need the build" in result["content"]


async def test_leave_for_the_whole_task_is_asked_for_once():
    bench = bench_for(called(REMOVE), called(REMOVE_MORE), said("Done."))
    await bench.append(RISKY)

    async with driving(bench):
        await until(bench, ApprovalRequested)
        await bench.append(answer(bench, scope="task"))

    assert len(bench.facts(ApprovalRequested)) == 1
    assert len(bench.facts(ToolStarted)) == 2


async def test_an_answer_to_something_else_lets_nothing_run():
    bench = bench_for(called(REMOVE), said("Done."))
    await bench.append(RISKY)

    async with driving(bench):
        await until(bench, ApprovalRequested)
        await bench.append(replace(answer(bench), digest="0" * 64))
        await bench.append(TaskInstructed(text="leave it then"))

    assert not bench.facts(ToolStarted)


async def test_a_word_instead_of_an_answer_gives_the_call_up():
    bench = bench_for(called(REMOVE), said("Fine."))
    await bench.append(RISKY)

    async with driving(bench):
        await until(bench, ApprovalRequested)
        await bench.append(TaskInstructed(text="never mind"))

    result, words = last_words(bench)
    assert "wrote something new" in result["content"]
    assert words["text"] == "never mind"


async def test_what_nobody_answers_in_time_counts_as_denied():
    bench = bench_for(called(REMOVE), said("Then not."), said("Yes."))
    await bench.append(RISKY)

    async with driving(bench):
        await until(bench, ApprovalRequested)
        bench.clock.now += timedelta(hours=25)
        await bench.append(TaskInstructed(text="still there?", mode="queue"))

    assert not bench.facts(ToolStarted)
    assert "nobody answered" in bench.facts(ToolCompleted)[0].output


async def test_a_worker_that_comes_after_asks_again_and_takes_the_answer_given_meanwhile():
    bench = bench_for(called(REMOVE), said("Done."))
    await bench.append(RISKY)
    async with driving(bench):
        await until(bench, ApprovalRequested)
        bench.stopping.set()
    bench.stopping.clear()
    await bench.append(answer(bench))

    await driven(bench, 2)

    assert len(bench.facts(ApprovalRequested)) == 1
    assert [done.output for done in bench.facts(ToolCompleted)] == ["gone"]
