"""The prompts of `errand` in a real terminal: answered here, answered elsewhere, broken off."""

import asyncio
import json
import os
import pty
import signal
import subprocess
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from events import (
    ApprovalRequested,
    CallId,
    QuestionAnswered,
    QuestionAsked,
    RequestId,
    TaskFinished,
)
from tests.clients.errand_process import ME, command, environment
from tests.kit.build.any_event import BEGINNING, recorded
from tests.kit.build.api_answers import answer, task_state, welcome
from tests.kit.fakes.scripted_gateway import TASK, ScriptedGateway, Visitor, scripted_gateway

ENDED = answer(task_state(id=TASK, phase="finished", turns=1, files_changed=1))
QUESTION = QuestionAsked(
    request=RequestId("req_1"), call=CallId("c"), text="Which?", options=("red", "green")
)
APPROVAL = ApprovalRequested(
    request=RequestId("req_2"),
    call=CallId("c"),
    digest="d",
    tool="bash",
    title="Run rm -rf docs",
    covers="deleting files",
    expires_at=BEGINNING,
)
DONE = TaskFinished(summary="All is well", outcome="branch")


def sent(fact: Any, version: int) -> dict[str, Any]:
    item: dict[str, Any] = json.loads(recorded(fact, version).body)
    return item


class Terminal:
    """A program in a terminal of its own: what it shows, and the keys that are pressed."""

    def __init__(self, process: "subprocess.Popen[bytes]", descriptor: int) -> None:
        self.process = process
        self.shown = ""
        self._descriptor = descriptor

    async def until(self, text: str) -> None:
        """Return when the text has been shown."""
        async with asyncio.timeout(30):
            while text not in self.shown:
                await self._read()

    async def end(self) -> int:
        """Return the exit code, once the program has ended; all it showed is read."""
        async with asyncio.timeout(30):
            while await self._read():
                pass
            return await asyncio.to_thread(self.process.wait)

    def press(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())

    async def _read(self) -> bool:
        try:
            piece = await asyncio.to_thread(os.read, self._descriptor, 4096)
        except OSError:  # Linux: the other end is closed
            return False
        self.shown += piece.decode(errors="replace")
        return bool(piece)


@asynccontextmanager
async def terminal(folder: Path, *words: str, gateway: ScriptedGateway) -> AsyncIterator[Terminal]:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 100))
    process = await asyncio.to_thread(
        lambda: subprocess.Popen(
            command(folder, *words, gateway=gateway),  # type: ignore[arg-type]
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=folder,
            env={**environment(), "TERM": "xterm"},
            start_new_session=True,
        )
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        if process.poll() is None:
            process.kill()
        await asyncio.to_thread(process.wait)
        os.close(ours)


async def test_a_question_is_answered_with_the_number_of_an_option(tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []

    async def visit(visitor: Visitor) -> None:
        await visitor.tell(welcome(), sent(QUESTION, 1), live(1))
        heard.append(await visitor.hear())
        await visitor.tell({"t": "ack", "id": heard[0]["id"], "task": TASK, "version": 2})
        await visitor.tell(sent(QuestionAnswered(request=QUESTION.request, text="green"), 2))
        await visitor.tell(sent(DONE, 3))
        await visitor.socket.wait_closed()

    async with scripted_gateway(visit) as gateway:
        gateway.pages = [ME, ENDED]
        async with terminal(tmp_path, "watch", TASK, gateway=gateway) as shown:
            await shown.until("Your answer: ")
            shown.press("2\n")
            code = await shown.end()

    assert code == 0
    assert heard[0]["args"] == {"request": "req_1", "text": "green"}
    assert "1 turn · 0 tool calls · 1 file +0 -0" in shown.shown


async def test_what_is_answered_elsewhere_ends_the_prompt_at_once(tmp_path: Path) -> None:
    elsewhere = asyncio.Event()

    async def visit(visitor: Visitor) -> None:
        await visitor.tell(welcome(), sent(QUESTION, 1), live(1))
        await elsewhere.wait()
        await visitor.tell(sent(QuestionAnswered(request=QUESTION.request, text="red"), 2))
        await visitor.tell(sent(DONE, 3))
        await visitor.socket.wait_closed()

    async with scripted_gateway(visit) as gateway:
        gateway.pages = [ME, ENDED]
        async with terminal(tmp_path, "watch", TASK, gateway=gateway) as shown:
            await shown.until("Your answer: ")
            elsewhere.set()  # and no key is pressed
            code = await shown.end()

    assert code == 0
    assert "Answer: red" in shown.shown
    assert "All is well" in shown.shown


async def test_ctrl_c_at_a_prompt_ends_at_the_first_press(tmp_path: Path) -> None:
    async def visit(visitor: Visitor) -> None:
        await visitor.tell(welcome(), sent(QUESTION, 1), live(1))
        await visitor.socket.wait_closed()

    async with scripted_gateway(visit) as gateway:
        gateway.pages = [ME]
        async with terminal(tmp_path, "watch", TASK, gateway=gateway) as shown:
            await shown.until("Your answer: ")
            shown.process.send_signal(signal.SIGINT)
            code = await shown.end()

    assert code == 130
    assert f"errand watch {TASK}" in shown.shown
    assert "Traceback" not in shown.shown


async def test_a_refusal_may_have_a_reason(tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []

    async def visit(visitor: Visitor) -> None:
        await visitor.tell(welcome(), sent(APPROVAL, 1), live(1))
        heard.append(await visitor.hear())
        await visitor.tell({"t": "ack", "id": heard[0]["id"], "task": TASK, "version": 2})
        await visitor.tell(sent(DONE, 2))
        await visitor.socket.wait_closed()

    async with scripted_gateway(visit) as gateway:
        gateway.pages = [ME, ENDED]
        async with terminal(tmp_path, "watch", TASK, gateway=gateway) as shown:
            await shown.until("(n)o: ")
            shown.press("perhaps\n")
            await asyncio.sleep(0)
            shown.press("n\n")
            await shown.until("Reason (optional")
            shown.press("Too much\n")
            code = await shown.end()

    assert code == 0
    assert heard[0]["op"] == "approve"
    assert heard[0]["args"] == {
        "request": "req_2",
        "digest": "d",
        "verdict": "deny",
        "reason": "Too much",
    }


async def test_a_terminal_that_hangs_up_leaves_the_question_to_others(tmp_path: Path) -> None:
    elsewhere = asyncio.Event()

    async def visit(visitor: Visitor) -> None:
        await visitor.tell(welcome(), sent(QUESTION, 1), live(1))
        await elsewhere.wait()
        await visitor.tell(sent(DONE, 2))
        await visitor.socket.wait_closed()

    async with scripted_gateway(visit) as gateway:
        gateway.pages = [ME, ENDED]
        async with terminal(tmp_path, "watch", TASK, gateway=gateway) as shown:
            await shown.until("Your answer: ")
            shown.press("\x04")
            await shown.until("Not answered here")
            elsewhere.set()
            code = await shown.end()

    assert code == 0


def live(version: int) -> dict[str, Any]:
    return {"t": "live", "task": TASK, "version": version}
