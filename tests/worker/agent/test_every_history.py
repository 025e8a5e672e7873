"""Laws of every history: whatever is said and whenever, wherever a worker dies."""

import asyncio
import itertools
from functools import reduce

from hypothesis import given, settings
from hypothesis import strategies as st

from events import (
    AttemptStarted,
    BranchPushed,
    BudgetExhausted,
    BudgetRaised,
    CommandId,
    ContextCompacted,
    EgressAllowed,
    EgressDenied,
    InstructionEdited,
    InstructionWithdrawn,
    MachineDestroyed,
    ModelFailed,
    QuestionAnswered,
    RequestId,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TaskInstructed,
    TaskInterrupted,
    ToolInterrupted,
)
from services.gateway.problems import Refused
from services.gateway.tasks.task import (
    NO_TASK,
    EditInstruction,
    WithdrawInstruction,
    decide,
)
from services.gateway.tasks.task import evolve as evolve_task
from services.worker.agent.evolve import evolve
from services.worker.agent.messages import build_messages
from services.worker.agent.next_step import next_step
from services.worker.agent.state import AgentState, Attempt
from services.worker.agent.steps import Rest
from services.worker.loop import drive
from services.worker.ports import CommandResult
from tests.kit.build.worker_history import (
    NOW,
    PREPARED,
    SNAPSHOT,
    SUBMITTED,
    began,
    diff_stored,
    ended,
    folded,
    history,
    replied,
    requested,
    started,
)
from tests.kit.fakes.worker_world import Bench, called, said

CALLS = st.sampled_from(["a", "b", "q", "s"])
TOOLS = {
    "a": ("a", "bash", {"command": "ls"}),
    "b": ("b", "read", {"path": "x"}),
    "q": ("q", "ask", {"question": "?"}),
    "s": ("s", "submit", {"summary": "s", "title": "t", "body": "b"}),
}
EVENTS = st.one_of(
    st.integers(1, 3).map(started),
    st.just(PREPARED),
    st.integers(1, 4).map(requested),
    st.lists(CALLS, unique=True).map(lambda calls: replied(*(TOOLS[c] for c in calls), text="x")),
    st.sampled_from(["end_turn", "pause_turn", "refusal", "max_tokens", "strange"]).map(
        lambda stop: replied(TOOLS["a"], stop=stop)
    ),
    CALLS.map(began),
    CALLS.map(ended),
    CALLS.map(lambda call: ToolInterrupted(call=call, reason="machine_lost")),
    st.just(SNAPSHOT),
    st.integers(0, 2).map(diff_stored),
    st.sampled_from(
        [
            BranchPushed(branch="b", commit="c"),
            TaskInstructed(text="steer"),
            TaskInstructed(text="queue", mode="queue"),
            InstructionEdited(instruction=2, text="edited"),
            InstructionWithdrawn(instruction=3),
            TaskInterrupted(),
            TaskCancelled(),
            TaskFinished(summary="", outcome="branch"),
            TaskFailed(reason="r", detail="d", remedy="m"),
            QuestionAnswered(request=RequestId("req"), text="yes"),
            BudgetExhausted(scope="cost", spent=1, limit=1),
            BudgetRaised(cost_microusd=1),
            EgressAllowed(host="api.example.com", port=443),
            EgressDenied(host="api.example.com", port=443, count=2),
            ModelFailed(turn=1, kind="overloaded", detail=""),
            ModelFailed(turn=1, kind="context_full", detail=""),
            ContextCompacted(turn=2, through=3, summary="s", tokens_before=2, tokens_after=1),
            ModelFailed(turn=1, kind="overloaded", detail="", retry_at=NOW),
            MachineDestroyed(attempt=1, machine="m1", billed_seconds=1, cost_microusd=1),
        ]
    ),
)
HISTORIES = st.lists(EVENTS, max_size=30).map(lambda events: history(SUBMITTED, *events))


@given(HISTORIES)
def test_every_history_folds_and_something_is_due(recorded):
    turn = folded(recorded)

    assert turn.position.head == recorded[-1].head
    assert next_step(turn, NOW) == next_step(folded(recorded), NOW)
    assert {call.id for call in turn.calls.pending} >= turn.calls.orphaned & {
        c.id for c in turn.calls.pending
    }


@given(HISTORIES)
def test_what_was_sent_is_only_ever_added_to(recorded):
    earlier: list = []
    for length in range(1, len(recorded) + 1):
        if isinstance(recorded[length - 1].event, ContextCompacted):
            earlier = []
        now = build_messages(recorded[:length])
        for before, after in zip(earlier, now, strict=False):
            assert after["role"] == before["role"]
            assert after["content"][: len(before["content"])] == before["content"]
        assert len(now) >= len(earlier)
        earlier = now


@given(HISTORIES)
def test_a_worker_that_left_or_was_fenced_never_acts_again(recorded):
    turn = AgentState(attempt=Attempt(number=1))
    was_resting = False
    for each in recorded:
        turn = evolve(turn, each)
        is_over = turn.attempt_status.is_over
        assert not was_resting or is_over
        was_resting = is_over
        if is_over:
            assert next_step(turn, NOW) == Rest()


def test_wherever_a_worker_dies_the_next_one_brings_the_task_to_the_same_end():
    whole = asyncio.run(_carried(_bench()))
    assert whole[-2:] == ["task.finished", "attempt.ended"]

    for length in range(1, len(whole)):
        asyncio.run(_resumed(length))


async def _resumed(length: int) -> None:
    dead = _bench()
    await _carried(dead)
    heir = _bench()
    heir.log.recorded = dead.log.recorded[:length]
    heir.blobs.stored, heir.blobs.trees = dead.blobs.stored, dead.blobs.trees
    await _drive(heir, 2)

    [finished] = heir.facts(TaskFinished)
    assert finished == TaskFinished(summary="done", outcome="pull_request")
    assert len(heir.facts(AttemptStarted)) <= 2
    for asked in heir.model.model_requests:
        _check(asked.messages)


def _bench() -> Bench:
    bench = Bench(files={"x": "old"})
    bench.model.ask = _by_number(bench)  # type: ignore[method-assign]
    return bench


def _by_number(bench: Bench):
    """A model whose reply depends on nothing but how often it has replied in the conversation."""
    replies = [
        called(("c1", "read", {"path": "x"}), ("c2", "grep", {"pattern": "x"})),
        called(("c3", "write", {"path": "x", "content": "new"})),
        called(("c4", "bash", {"command": "test"}), ("c5", "edit", {"path": "x"})),
        called(("c6", "write", {"path": "x", "content": "newest"})),
        called(("c7", "submit", {"summary": "done", "title": "T", "body": "B"})),
    ]

    async def answer(question, on_delta):
        bench.model.model_requests.append(question)
        said_before = sum(m["role"] == "assistant" for m in question.messages)
        return replies[said_before]

    return answer


async def _carried(bench: Bench) -> list[str]:
    await bench.append(SUBMITTED)
    await _drive(bench, 1)
    return bench.tags


async def _drive(bench: Bench, number: int) -> None:
    async with asyncio.timeout(10):
        await drive(bench.task_history(number), bench.context(), stopping=bench.stopping)


def _check(sent: list) -> None:
    """Check as the API does: roles alternate, and every call has one result, first of all."""
    assert sent[0]["role"] == sent[-1]["role"] == "user"
    for before, after in itertools.pairwise(sent):
        assert before["role"] != after["role"]
        calls = [b["id"] for b in before["content"] if b["type"] == "tool_use"]
        results = [b["tool_use_id"] for b in after["content"] if b["type"] == "tool_result"]
        assert results == calls
        assert [b["type"] for b in after["content"]][: len(calls)] == ["tool_result"] * len(calls)


WORDS = st.sampled_from(
    [
        None,
        TaskInstructed(text="steer"),
        TaskInstructed(text="queue", mode="queue"),
        TaskInterrupted(),
        BudgetRaised(cost_microusd=5),
        "edit",
        "withdraw",
    ]
)
REPLIES = st.lists(st.sampled_from(["a", "b", "ab", "s", "words"]), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(said=st.lists(WORDS, max_size=12), replies=REPLIES)
def test_whatever_people_say_in_between_the_task_ends_and_every_word_is_heard(said, replies):
    asyncio.run(_interrupted(said, replies))


async def _interrupted(words, replies) -> None:
    bench = Bench(*(_reply(each, number) for number, each in enumerate(replies)), files={"x": ""})
    bench.model.replies += [said("end")] * 30
    bench.sandbox.scripts["ls"] = _touch
    await bench.append(SUBMITTED)
    for word in words:
        bench.log.before_next_append(lambda word=word: _interject(bench, word))
    await _drive(bench, 1)

    heard = str([q.messages for q in bench.model.model_requests])
    changed = {each.instruction: each for each in bench.facts(InstructionEdited)}
    changed |= {each.instruction: each for each in bench.facts(InstructionWithdrawn)}
    assert bench.tags[-1] == "attempt.ended"
    finished = bench.tags.index("task.finished")
    for recorded in bench.recorded[:finished]:
        if isinstance(recorded.event, TaskInstructed):
            change = changed.get(recorded.version)
            assert (recorded.event.text in heard) == (change is None)
            if isinstance(change, InstructionEdited):
                assert change.text in heard
    for question in bench.model.model_requests:
        _check(question.messages)


_NUMBERS = itertools.count()  # two that meet in one append must not say the same


async def _interject(bench: Bench, word) -> None:
    if word is None or "task.finished" in bench.tags:
        return
    if isinstance(word, str):
        await _change_newest_instruction(bench, word)
        return
    if isinstance(word, TaskInstructed):
        word = TaskInstructed(text=f"{word.text} {next(_NUMBERS)}.", mode=word.mode)
    await bench.append(word)
    if isinstance(word, TaskInterrupted):  # somebody must say a word, or the task waits for ever
        await bench.append(TaskInstructed(text=f"go on {len(bench.tags)}."))


async def _change_newest_instruction(bench: Bench, kind: str) -> None:
    """Change it as the gateway does, where the gateway allows it."""
    given = [each.version for each in bench.recorded if isinstance(each.event, TaskInstructed)]
    if not given:
        return
    command = (
        EditInstruction(given[-1], f"edited {len(bench.tags)}.")
        if kind == "edit"
        else WithdrawInstruction(given[-1])
    )
    task = reduce(evolve_task, bench.recorded, NO_TASK)
    try:
        decision = decide(command, task, cause=CommandId(f"change {len(bench.tags)}"))
    except Refused:
        return
    if decision.facts:
        await bench.append(*decision.facts)


def _reply(kind: str, number: int):
    if kind == "words":
        return said(f"words {number}")
    return called(*((f"{name}{number}", *TOOLS[name][1:]) for name in kind))


def _touch(sandbox):
    sandbox.files["x"] += b"."
    return CommandResult(exit_code=0, output=b"done")
