"""A call's effect is delivered, or the model learns that it is undone: wherever a worker dies."""

import asyncio
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from events import TaskFinished, ToolCompleted
from services.worker.loop import drive
from services.worker.ports import CommandResult, Snapshot
from tests.kit.build.worker_history import SUBMITTED
from tests.kit.fakes.worker_world import Bench, FakeWorkspace, called, said

CALLS = st.sampled_from(["write", "bash", "idle", "read", "plan"])
REPLIES = st.lists(
    st.tuples(st.lists(CALLS, max_size=3), st.booleans()), min_size=1, max_size=4
)  # the calls of a reply, and whether it submits
ENDS = st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=3)


class SlowWorkspace(FakeWorkspace):
    """A workspace whose snapshots take longer than a reply of the model."""

    snapshot_delay = 0

    async def snapshot(self) -> Snapshot | None:
        taken = await super().snapshot()
        for _ in range(self.snapshot_delay):
            await asyncio.sleep(0)
        return taken


@settings(max_examples=150, deadline=None)
@given(replies=REPLIES, ends=ENDS, snapshot_delay=st.sampled_from([0, 5, 60]))
def test_every_change_is_delivered_or_told_as_undone(replies, ends, snapshot_delay):
    asyncio.run(_carried(_script(replies), ends, snapshot_delay))


def test_a_submission_on_a_change_that_no_snapshot_holds_is_not_delivered():
    script = _script([(["write"], False), (["write"], False), ([], True)])

    for length in range(4, 24):
        asyncio.run(_carried(script, [(length, False)], 60))


def _script(replies):
    numbers = count(1)
    script = []
    for calls, is_submitting in replies:
        made = [_call(kind, next(numbers)) for kind in calls]
        if is_submitting:
            work = {"summary": "done", "title": "T", "body": "B"}
            made.append((f"submit{next(numbers)}", "submit", work))
        script.append(called(*made) if made else said("words"))
    return script


def _call(kind, number):
    """Make a call that is like no other: the same again and again would be asked about."""
    name = f"{kind}{number}"
    match kind:
        case "write":
            return name, "write", {"path": f"{name}.txt", "content": name}
        case "bash" | "idle":
            return name, "bash", {"command": name}
        case "read":
            return name, "read", {"path": "base.txt", "line_count": number}
        case _:
            return name, "plan", {"items": [{"text": name, "state": "done"}]}


async def _carried(script, ends, snapshot_delay):
    bench = _bench(script, snapshot_delay)
    await bench.append(SUBMITTED)
    questions, delivered = bench.model.model_requests, {}
    for attempt, (length, is_drained) in enumerate(ends, 1):
        kept = len(bench.recorded) + length
        await (_drained(bench, attempt, length) if is_drained else _driven(bench, attempt))
        delivered = bench.workspace.delivered or delivered
        heir = _bench(script, snapshot_delay)
        heir.log.recorded = bench.recorded if is_drained else bench.recorded[:kept]
        heir.blobs = heir.workspace.blobs = bench.blobs
        heir.model.model_requests = questions
        bench = heir
        if bench.facts(TaskFinished):
            break
    await _driven(bench, len(ends) + 1)
    _check(bench, str([q.messages for q in questions]), bench.workspace.delivered or delivered)


def _check(bench: Bench, told: str, delivered) -> None:
    [finished] = bench.facts(TaskFinished)
    if finished.outcome == "no_changes":
        delivered = {}
    for done in bench.facts(ToolCompleted):
        if not done.is_error and done.call.startswith(("write", "bash")):
            assert f"{done.call}.txt" in delivered or f"({done.call})" in told, bench.tags


def _bench(script, snapshot_delay) -> Bench:
    bench = Bench(files={"base.txt": "old"})
    bench.workspace = SlowWorkspace(bench.sandbox, bench.blobs)
    bench.workspace.snapshot_delay = snapshot_delay

    async def answer(question, on_delta):
        bench.model.model_requests.append(question)
        await asyncio.sleep(0)
        number = sum(m["role"] == "assistant" for m in question.messages)
        return script[number] if number < len(script) else said("end")

    bench.model.ask = answer  # type: ignore[method-assign]
    for reply in script:
        for block in reply.blocks:
            if block.get("name") == "bash":
                name = block["input"]["command"]
                bench.sandbox.scripts[name] = _touching(name)
    return bench


def _touching(name):
    def touch(sandbox):
        if name.startswith("bash"):
            sandbox.files[f"{name}.txt"] = name.encode()
        return CommandResult(exit_code=0, output=b"ok")

    return touch


async def _drained(bench: Bench, attempt: int, length: int) -> None:
    async def nothing() -> None: ...

    async def stop() -> None:
        bench.stopping.set()

    for _ in range(length):
        bench.log.before_next_append(nothing)
    bench.log.before_next_append(stop)
    await _driven(bench, attempt)


async def _driven(bench: Bench, attempt: int) -> None:
    async with asyncio.timeout(10):
        await drive(bench.task_history(attempt), bench.context(), stopping=bench.stopping)
