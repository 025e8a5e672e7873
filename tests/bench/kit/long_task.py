"""A task of any length, as days of real work leave it: every kind of row a phone can meet.

Deterministic. Most replies are a sentence or two, one in five is Markdown with lists, code or a
table; outputs have 40 to 8,000 characters (now and then 24,000), diffs 6 to 120 lines. Between them
are plans, questions, approvals, a provider that is busy, machines that are lost, and what the
person says meanwhile.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count, islice
from typing import Any, Final

from events import (
    ApprovalAnswered,
    ApprovalRequested,
    AttemptStarted,
    Blob,
    CallId,
    Guest,
    MachineId,
    MachineLost,
    MachineRequested,
    MachineStarted,
    ModelFailed,
    ModelReplied,
    ModelRequested,
    PlanItem,
    PlanUpdated,
    QuestionAnswered,
    QuestionAsked,
    Repository,
    SnapshotTaken,
    TaskId,
    TaskInstructed,
    TaskSubmitted,
    ToolCompleted,
    ToolStarted,
    Usage,
    WorkspacePrepared,
    request_id,
)
from tests.kit.build.realistic_log import said

FIRST_WORD: Final = "Beginning:"
"""The beginning of the prompt; nothing else has it."""
MODEL: Final = "claude-sonnet-5-5"
_LATER: Final = datetime(2027, 1, 1, tzinfo=UTC)
_CODE: Final = """def slug(text: str, limit: int = 40) -> str:
    \"\"\"Return a name that can stand in an address.\"\"\"
    words = re.findall(r"[a-z0-9]+", text.lower())
    return "-".join(words)[:limit]  # never more than `limit`
"""
_STATES: Final = ("done", "active", "pending")


def long_task(task: TaskId, events: int) -> list[Any]:
    """Return so many facts, from the submission on; the task is still at work at the end."""
    chance = random.Random(7)
    return list(islice(_facts(task, chance), events))


def _facts(task: TaskId, chance: random.Random) -> Iterator[Any]:
    repository = Repository("https://forge.example/ada/shop", "main")
    prompt = f"{FIRST_WORD} {said(chance, 200, 600)}"
    yield TaskSubmitted(prompt=prompt, repository=repository, model=MODEL)
    yield from _machine(1)
    attempts = count(2)
    for turn in count(1):
        yield from _turn(task, turn, chance)
        if turn % 40 == 0:
            mode = "queue" if turn % 80 else "steer"
            yield TaskInstructed(text=said(chance, 20, 300), mode=mode)
        if turn % 350 == 0:
            yield MachineLost(attempt=1, reason="silent", retry_at=_LATER)
            yield from _machine(next(attempts))


def _machine(attempt: int) -> Iterator[Any]:
    machine = MachineId(f"m{attempt}")
    guest = Guest("shared", 2, 2048)
    name = f"errand-{attempt}"
    yield MachineRequested(attempt=attempt, name=name, region="ams", guest=guest, deadline=_LATER)
    yield MachineStarted(attempt=attempt, machine=machine, region="ams", seconds=0.8)
    yield AttemptStarted(attempt=attempt, machine=machine, build="0.1.0", sandbox="bubblewrap")
    yield WorkspacePrepared(commit="c" * 40, base="main", branch="errand/long", seconds=1.4)


def _turn(task: TaskId, turn: int, chance: random.Random) -> Iterator[Any]:
    calls = [CallId(f"toolu_{turn}_{place}") for place in range(chance.choice((1, 1, 1, 2, 3)))]
    yield ModelRequested(turn=turn, model=MODEL)
    if turn % 90 == 0:
        yield ModelFailed(turn=turn, kind="overloaded", detail="Busy", retry_at=_LATER)
    uses = [{"type": "tool_use", "id": call, "name": "bash", "input": {}} for call in calls]
    texts = [{"type": "text", "text": _reply(chance)}] if chance.random() < 0.2 else []
    thoughts = [{"type": "thinking", "thinking": said(chance, 100, 800), "signature": "s"}]
    yield ModelReplied(
        turn=turn,
        stop_reason="tool_use",
        usage=Usage(input_tokens=7, output_tokens=300, cache_read_input_tokens=20_000 + turn),
        cost_microusd=4_000 + chance.randint(0, 9_000),
        blocks=(*thoughts, *texts, *uses),
        model=MODEL,
        seconds=3.25,
    )
    if turn % 60 == 0:
        request = request_id(task, calls[0])
        text, options = said(chance, 60, 400), ("Keep both", "Only the new one")
        yield QuestionAsked(request=request, call=calls[0], text=text, options=options)
        yield QuestionAnswered(request=request, text="Only the new one")
    elif turn % 45 == 0:
        yield from _approval(task, calls[0])
    for call in calls:
        yield from _call(call, chance)
    if turn % 12 == 1:
        items = tuple(
            PlanItem(f"{said(chance, 20, 60)} {place}", _STATES[(turn + place) % 3])
            for place in range(6)
        )
        yield PlanUpdated(items=items)
    pack = Blob(f"tasks/{task}/snapshots/{turn:04}.pack", 4096 + turn, "a" * 64)
    files = 1 + turn // 40
    yield SnapshotTaken(
        tree=f"{turn:040x}", pack=pack, files=files, insertions=turn * 3, deletions=turn
    )


def _approval(task: TaskId, call: CallId) -> Iterator[Any]:
    request, digest = request_id(task, call), f"{call:0>64}"
    yield ApprovalRequested(
        request=request,
        call=call,
        tool="bash",
        title="Remove what the tests left behind",
        digest=digest,
        covers="rm in this repository",
        expires_at=_LATER,
        command="rm -rf build && git status --short | sort",
    )
    yield ApprovalAnswered(request=request, digest=digest, verdict="allow")


def _call(call: CallId, chance: random.Random) -> Iterator[Any]:
    kind = chance.random()
    if kind < 0.25:
        name = f"shop/{chance.choice(('cart', 'order', 'stock'))}.py"
        yield ToolStarted(call=call, tool="edit", title=f"Edit {name}")
        diff = _diff(name, chance)
        yield ToolCompleted(call=call, output="The file was changed.", seconds=0.1, diff=diff)
    elif kind < 0.5:
        yield ToolStarted(call=call, tool="read", title="Read shop/order.py")
        yield ToolCompleted(call=call, output=_CODE * chance.randint(2, 30), seconds=0.1)
    else:
        command = f"pytest -q tests/test_{chance.randint(1, 99)}.py | tail -n 40"
        longest = 24_000 if chance.random() < 0.03 else 8_000
        output = said(chance, 40, chance.randint(80, longest)).replace(" ✓", "\n✓")
        exit_code = chance.choice((0, 0, 0, 1))
        yield ToolStarted(call=call, tool="bash", title=command, command=command)
        yield ToolCompleted(call=call, output=output, exit_code=exit_code, seconds=1.5)


def _reply(chance: random.Random) -> str:
    if chance.random() < 0.8:
        return said(chance, 40, 300)
    parts = [said(chance, 80, 500)]
    if chance.random() < 0.7:
        parts += [
            f"- **{said(chance, 10, 30)}**: `{n}` of {said(chance, 20, 90)}" for n in range(4)
        ]
    if chance.random() < 0.5:
        parts += ["", "```python", _CODE * chance.randint(1, 4) + "```", "", said(chance, 40, 200)]
    if chance.random() < 0.2:
        parts += ["", "| test | before | after |", "|---|---|---|", "| cart | 3 ms | 1 ms |"] * 2
    return "\n".join(parts)


def _diff(name: str, chance: random.Random) -> str:
    lines = [f"--- a/{name}", f"+++ b/{name}", "@@ -1,60 +1,60 @@"]
    for number in range(chance.randint(3, 60)):
        lines += [f"-    before_{number} = 1", f"+    after_{number} = 2  # {said(chance, 5, 40)}"]
    return "\n".join(lines) + "\n"
