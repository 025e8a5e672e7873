"""A history loop at work on a log and a Postgres, and stories for it to project."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from events import (
    NOWHERE,
    CallId,
    Head,
    History,
    ModelReplied,
    Repository,
    TaskFinished,
    TaskSubmitted,
    ToolCompleted,
    ToolStarted,
    Usage,
)
from events.protocol.task_state import TaskState
from infra.log.event_log import EventLog
from services.projector.history.loop import HistoryLoop
from services.projector.projections.task import decode
from tests.kit.fakes.in_memory_log import InMemoryLog
from tests.kit.probe.eventually import eventually
from tests.kit.probe.postgres_rows import checkpoint, read_models
from tests.kit.run.devices import DRAFT_FACTORY

SUBMITTED = TaskSubmitted(prompt="Fix", repository=Repository("u"), model="m")


def turn_events(number: int) -> list[Any]:
    call = CallId(f"c{number}")
    return [
        ModelReplied(
            turn=number,
            stop_reason="tool_use",
            usage=Usage(input_tokens=1),
            cost_microusd=10,
            blocks=({"type": "text", "text": f"turn {number}"},),
        ),
        ToolStarted(call=call, tool="bash", title="ls"),
        ToolCompleted(call=call, output=f"output {number}"),
    ]


async def append_events(
    log: EventLog[Any], history: History, *facts: Any, after: Head = NOWHERE
) -> Head:
    return await log.append(history, DRAFT_FACTORY.drafts(facts, by="t"), after=after)


async def whole_story(log: EventLog[Any], history: History, turns: int = 3) -> Head:
    head = await append_events(log, history, SUBMITTED)
    for number in range(1, turns + 1):
        head = await append_events(log, history, *turn_events(number), after=head)
    return await append_events(
        log, history, TaskFinished(summary="Done", outcome="branch"), after=head
    )


@asynccontextmanager
async def projecting(log: Any, url: str) -> AsyncIterator[HistoryLoop]:
    loop = HistoryLoop(log, url)
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(loop.run(stopping))
        yield loop
        stopping.set()


async def caught_up(log: InMemoryLog[Any], url: str, *, seconds: float = 20) -> None:
    await eventually(
        lambda: checkpoint(url), until=lambda at: at == len(log.recorded), seconds=seconds
    )


async def states(url: str) -> dict[str, TaskState]:
    models = await read_models(url)
    return {row[0]: decode(row[8]) for row in models["task"]}


def expected_outputs(turns: int) -> list[str]:
    return [f"output {number}" for number in range(1, turns + 1)]
