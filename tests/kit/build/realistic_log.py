"""A log as real work leaves it: whole tasks, interleaved, with the sizes that events have in life.

Deterministic, so that two runs write the same. A task of `TURNS` turns has about `EVENTS_PER_TASK`
events; a reply's text is 80 to 900 characters long, a tool's output 40 to 1,500.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

from events import (
    NOWHERE,
    AccountId,
    ArtifactStored,
    AttemptEnded,
    AttemptStarted,
    Blob,
    BranchPushed,
    CallId,
    Draft,
    Guest,
    History,
    MachineDestroyed,
    MachineId,
    MachineRequested,
    MachineStarted,
    ModelReplied,
    ModelRequested,
    PlanItem,
    PlanUpdated,
    PullRequestOpened,
    QuestionAnswered,
    QuestionAsked,
    Repository,
    SnapshotTaken,
    TaskFinished,
    TaskId,
    TaskInstructed,
    TaskSubmitted,
    ToolCompleted,
    ToolStarted,
    Usage,
    WorkspacePrepared,
    event_id,
    request_id,
)
from events.protocol.readers import reader_name
from infra.log.event_log import EventLog

TURNS: Final = 38
EVENTS_PER_TASK: Final = 200
ACCOUNTS: Final = 20

_BEGINNING: Final = datetime(2026, 3, 1, 8, tzinfo=UTC)
_SAID: Final = (
    "the test fails because parser drops a trailing newline so I will fix split and run it again "
    "def return import assert None self.items[0] == 'ü' \\n \t File \"a/b.py\", line 12 ✓ passed"
)
_WORDS: Final = tuple(_SAID.split(" "))
_APPENDERS: Final = 16
_BATCH: Final = 50


def said(chance: random.Random, shortest: int, longest: int) -> str:
    """Text of about so many characters."""
    wanted, words = chance.randint(shortest, longest), []
    while wanted > 0:
        words.append(chance.choice(_WORDS))
        wanted -= len(words[-1]) + 1
    return " ".join(words)


def _beginning(task: TaskId, chance: random.Random) -> Iterator[Any]:
    repository = Repository(f"https://forge.example/{chance.choice('abcdef')}/shop", "main")
    yield TaskSubmitted(
        prompt=said(chance, 60, 400), repository=repository, model="claude-sonnet-5-5"
    )
    yield MachineRequested(
        attempt=1,
        name=reader_name(task, 1),
        region="ams",
        guest=Guest("shared", 2, 2048),
        deadline=_BEGINNING + timedelta(hours=3),
    )
    machine = MachineId(f"{chance.getrandbits(56):014x}")
    yield MachineStarted(attempt=1, machine=machine, region="ams", seconds=0.8)
    yield AttemptStarted(attempt=1, machine=machine, build="0.1.0", sandbox="bubblewrap")
    yield WorkspacePrepared(
        commit=f"{chance.getrandbits(160):040x}",
        base="main",
        branch=f"errand/{task}",
        seconds=1.4,
    )


def _turn(task: TaskId, turn: int, chance: random.Random) -> Iterator[Any]:
    yield ModelRequested(turn=turn, model="claude-sonnet-5-5")
    call = CallId(f"toolu_{chance.getrandbits(96):024x}")
    text = {"type": "text", "text": said(chance, 80, 900)}
    use = {"type": "tool_use", "id": call, "name": "bash", "input": {"command": "pytest -q"}}
    yield ModelReplied(
        turn=turn,
        stop_reason="tool_use",
        usage=Usage(input_tokens=7, output_tokens=300, cache_read_input_tokens=20_000 + turn),
        cost_microusd=4_000 + chance.randint(0, 9_000),
        blocks=(text, use),
        model="claude-sonnet-5-5",
        request=f"req_{chance.getrandbits(96):024x}",
        seconds=3.25,
    )
    if turn == TURNS // 2:
        request = request_id(task, call)
        yield QuestionAsked(request=request, call=call, text="Which one?", options=("a", "b"))
        yield QuestionAnswered(request=request, text="The first")
    yield ToolStarted(call=call, tool="bash", title="pytest -q")
    yield ToolCompleted(
        call=call,
        output=said(chance, 40, 1_500),
        exit_code=chance.choice((0, 0, 0, 1)),
        seconds=1.5,
    )
    if turn % 5 == 1:
        states = ("done", "active", "pending")
        items = tuple(PlanItem(f"{said(chance, 10, 40)} {n}", states[n % 3]) for n in range(4))
        yield PlanUpdated(items=items)
    yield SnapshotTaken(
        tree=f"{chance.getrandbits(160):040x}",
        pack=Blob(f"tasks/{task}/snapshots/{turn:04}.pack", 4096 + turn, "a" * 64),
        files=1 + turn // 4,
        insertions=turn * 3,
        deletions=turn,
    )


def _end(task: TaskId, chance: random.Random) -> Iterator[Any]:
    blob = Blob(f"tasks/{task}/diff", 900, "b" * 64)
    yield ArtifactStored(name="diff", media_type="text/x-diff", blob=blob)
    yield BranchPushed(branch=f"errand/{task}", commit=f"{chance.getrandbits(160):040x}")
    number = chance.randint(1, 9_999)
    url = f"https://forge.example/pulls/{number}"
    yield PullRequestOpened(number=number, url=url, title=said(chance, 20, 60))
    yield TaskFinished(summary=said(chance, 100, 400), outcome="pull_request")
    yield AttemptEnded(attempt=1, reason="done")
    yield MachineDestroyed(
        attempt=1, machine=MachineId("m"), billed_seconds=180.0, cost_microusd=210
    )
    if chance.random() < 0.1:
        yield TaskInstructed(text=said(chance, 20, 80))


def story(number: int) -> tuple[History, list[Draft[Any]]]:
    """The task with this number: its history and everything that happens in it."""
    chance = random.Random(number)
    task = TaskId(f"task_{number:026d}")
    history = History(AccountId(f"acc_{number % ACCOUNTS:026d}"), task)
    facts = list(_beginning(task, chance))
    for turn in range(1, TURNS + 1):
        facts += _turn(task, turn, chance)
    facts += _end(task, chance)
    begun = _BEGINNING + timedelta(seconds=number * 7)
    drafts = []
    for place, fact in enumerate(facts):
        at = begun + timedelta(seconds=place * 2, microseconds=chance.randrange(1_000_000))
        drafts.append(
            Draft(
                id=event_id(int(at.timestamp() * 1000), chance.randbytes(10)),
                at=at,
                by="worker:1" if 3 <= place < len(facts) - 1 else "scheduler",
                event=fact,
            )
        )
    return history, drafts


async def record(
    log: EventLog[Any],
    events: int,
    *,
    first_task: int = 0,
    pace: Callable[[float], Awaitable[None]] | None = None,
) -> int:
    """Append about this many events, whole tasks at a time, many at once; return how many.

    `pace` is awaited before each batch with the share of the events that is appended, 0 to 1.
    """
    appended = 0
    numbers = iter(range(first_task, first_task + max(1, round(events / EVENTS_PER_TASK))))

    async def append_some() -> None:
        nonlocal appended
        for number in numbers:
            history, drafts = story(number)
            head, left = NOWHERE, iter(drafts)
            while batch := list(islice(left, _BATCH)):
                if pace is not None:
                    await pace(appended / events)
                head = await log.append(history, batch, after=head)
                appended += len(batch)

    async with asyncio.TaskGroup() as group:
        for _ in range(_APPENDERS):
            group.create_task(append_some())
    return appended
