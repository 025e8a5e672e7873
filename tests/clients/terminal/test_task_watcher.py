"""Following a task in the terminal: until it has ended, and not a moment longer."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from clients.cli.errors import CliError
from clients.cli.gateway.client import Gateway
from clients.cli.stream.outbox import Outbox
from clients.cli.terminal.task_watcher import TaskWatcher
from events import TaskFinished, TaskInstructed
from events.protocol.task_state import TaskState
from tests.kit.build.any_event import recorded
from tests.kit.build.api_answers import answer, task_state
from tests.kit.fakes.scripted_gateway import TASK, Visit, Visitor, scripted_gateway

ENDED = task_state(id=TASK, phase="finished")


def sent(fact: Any, version: int) -> dict[str, Any]:
    item: dict[str, Any] = json.loads(recorded(fact, version).body)
    return item


def live(version: int) -> dict[str, Any]:
    return {"t": "live", "task": TASK, "version": version}


DONE = TaskFinished(summary="All is well", outcome="branch")
MORE = TaskInstructed(text="One thing more")


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox.sqlite", "here")


async def watched(
    outbox: Outbox, visit: Visit, *pages: TaskState, **options: Any
) -> tuple[Any, str, list[str]]:
    """Return the task, the text shown, and the paths requested over HTTP."""
    out = io.StringIO()
    after = options.pop("after", 0)
    console = Console(file=out, width=100, highlight=False)
    async with scripted_gateway(visit) as scripted:
        scripted.pages = [answer(page) for page in pages]
        async with Gateway(scripted.url, "token") as gateway:
            watch = TaskWatcher(
                gateway, TASK, device="d", console=console, outbox=outbox, **options
            )
            task = await watch.until_end(after=after)
        return task, out.getvalue(), scripted.asked


async def test_it_ends_when_the_task_has(outbox: Outbox) -> None:
    async def visit(visitor: Visitor) -> None:
        await visitor.tell(sent(MORE, 1), live(1))
        await visitor.tell(sent(DONE, 2))
        await visitor.socket.wait_closed()

    task, shown, asked = await watched(outbox, visit, ENDED)

    assert task == ENDED
    assert "One thing more" in shown
    assert "All is well" in shown
    assert asked == [f"/v1/tasks/{TASK}?wait_version=2"]


async def test_an_end_that_was_overtaken_is_not_the_end(outbox: Outbox) -> None:
    async def visit(visitor: Visitor) -> None:
        await visitor.tell(sent(DONE, 1), sent(MORE, 2), sent(DONE, 3), live(3))
        await visitor.socket.wait_closed()

    _, shown, _ = await watched(outbox, visit, ENDED)

    assert shown.count("All is well") == 2


async def test_a_task_that_had_ended_before_is_not_waited_for(outbox: Outbox) -> None:
    async def visit(visitor: Visitor) -> None:
        await visitor.tell(live(visitor.version))
        await visitor.socket.wait_closed()

    task, _, asked = await watched(outbox, visit, ENDED, ENDED, after=9)

    assert task == ENDED
    assert asked == [f"/v1/tasks/{TASK}", f"/v1/tasks/{TASK}?wait_version=9"]


async def test_as_json_the_events_are_printed_as_they_are(outbox: Outbox, capsys: Any) -> None:
    async def visit(visitor: Visitor) -> None:
        await visitor.tell(sent(MORE, 1), sent(DONE, 2), live(2))
        await visitor.socket.wait_closed()

    _, shown, _ = await watched(outbox, visit, ENDED, is_json=True)

    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == [sent(MORE, 1), sent(DONE, 2)]
    assert shown == ""


async def test_a_task_that_is_not_there_is_told(outbox: Outbox) -> None:
    async def visit(visitor: Visitor) -> None:
        await visitor.tell({"t": "reset", "task": TASK, "head": 0, "reason": "not_found"})
        await visitor.socket.wait_closed()

    with pytest.raises(CliError, match=f"no task {TASK}"):
        await watched(outbox, visit)
