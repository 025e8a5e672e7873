"""What a person tells a task reaches it, now or later, once and in order."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from clients.cli.outbox import Outbox
from tests.clients.test_commands import ME, TASK, errand
from tests.support.scripted_gateway import ScriptedGateway, Visitor, scripted_gateway

NO_QUESTION = (200, b'{"question":null}')
AWAY = (503, b'{"detail":"The database is away.","retryable":true}')
BRIEFLY = ("--wait", "0.3")
ANSWERED = {"detail": "This question was answered at 10:00 with \u201cNo\u201d.", "status": 409}


async def typed(
    folder: Path, *words: str, gateway: ScriptedGateway
) -> "subprocess.CompletedProcess[str]":
    return await asyncio.to_thread(errand, folder, "--gateway", gateway.url, *words)


class Ears:
    """Hears commands; refuses those whose number among all that were heard is named."""

    def __init__(self, refused: tuple[int, ...] = ()) -> None:
        self.heard: list[dict[str, Any]] = []
        self._refused = refused

    async def __call__(self, visitor: Visitor) -> None:
        await visitor.tell({"t": "welcome"})
        async for said in visitor.socket:
            command = json.loads(said)
            self.heard.append(command)
            if len(self.heard) in self._refused:
                await visitor.tell({"t": "nak", "id": command["id"], "problem": ANSWERED})
            else:
                await visitor.tell({"t": "ack", "id": command["id"], "task": TASK, "version": 2})

    @property
    def said(self) -> list[Any]:
        return [(each["op"], each.get("task", ""), each["args"]) for each in self.heard]


async def test_a_word_to_a_task_that_asks_is_the_answer(tmp_path: Path) -> None:
    ears = Ears()
    state = {"id": TASK, "question": {"request": "req_1", "text": "Which?"}}
    async with scripted_gateway(ears) as gateway:
        gateway.pages = [ME, (200, json.dumps(state).encode())]
        ended = await typed(tmp_path, "say", TASK, "That", gateway=gateway)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert ears.said == [("answer", TASK, {"request": "req_1", "text": "That"})]


async def test_a_word_to_a_task_that_asks_nothing_is_an_instruction(tmp_path: Path) -> None:
    ears = Ears()
    async with scripted_gateway(ears) as gateway:
        gateway.pages = [ME, NO_QUESTION]
        ended = await typed(tmp_path, "say", TASK, "More", "--later", gateway=gateway)

    assert ended.returncode == 0
    assert ears.said == [("instruct", TASK, {"text": "More", "mode": "queue"})]


async def test_what_is_refused_is_told(tmp_path: Path) -> None:
    async with scripted_gateway(Ears(refused=(1,))) as gateway:
        gateway.pages = [ME, NO_QUESTION]
        ended = await typed(tmp_path, "say", TASK, "More", gateway=gateway)

    assert ended.returncode == 1
    assert "answered at 10:00" in ended.stderr


async def test_what_was_told_to_a_gateway_that_was_away_goes_with_the_next(tmp_path: Path) -> None:
    async def refuse(visitor: Visitor) -> None:
        await visitor.socket.close(1011, "away")

    async with scripted_gateway(refuse) as gateway:
        gateway.pages = [AWAY, AWAY]
        first = await typed(tmp_path, "say", TASK, "First", *BRIEFLY, gateway=gateway)
        gateway.pages = [AWAY, AWAY]
        second = await typed(tmp_path, "run", "Mend", "-r", "https://f/o/r.git", gateway=gateway)
        ears = Ears(refused=(1,))
        gateway.visits = [ears]
        gateway.pages = [ME]
        last = await typed(tmp_path, "cancel", TASK, gateway=gateway)
        gateway.pages = [ME]
        empty = await typed(tmp_path, "outbox", gateway=gateway)

    assert first.returncode == second.returncode == 5
    assert "goes with your next command" in first.stdout
    assert "cannot be reached" in second.stdout
    assert last.returncode == 0
    assert "Kept earlier" in last.stdout
    assert "answered at 10:00" in last.stdout
    sent = {"prompt": "Mend", "repository": {"url": "https://f/o/r.git"}}
    assert ears.said == [
        ("instruct", TASK, {"text": "First", "mode": "steer"}),
        ("submit", "", sent),
        ("cancel", TASK, {"reason": ""}),
    ]
    assert (empty.returncode, empty.stdout) == (0, "")


@pytest.mark.parametrize(("end", "code"), [(1011, 5), (4500, 1)], ids=["away", "a bug of ours"])
async def test_what_is_kept_can_be_seen_and_taken_out(tmp_path: Path, end: int, code: int) -> None:
    async def refuse(visitor: Visitor) -> None:
        await visitor.socket.close(end, "not this")

    async with scripted_gateway(refuse) as gateway:
        gateway.pages = [AWAY]
        sent = await typed(tmp_path, "cancel", TASK, "--reason", "late", *BRIEFLY, gateway=gateway)
        gateway.pages = [AWAY]
        listed = await typed(tmp_path, "outbox", *BRIEFLY, gateway=gateway)
        [command] = [line.split()[0] for line in listed.stdout.splitlines() if "late" in line]
        gateway.pages = [AWAY]
        dropped = await typed(tmp_path, "outbox", "--drop", command, gateway=gateway)
        gateway.pages = [AWAY]
        again = await typed(tmp_path, "outbox", "--drop", command, gateway=gateway)

    assert (sent.returncode, listed.returncode) == (code, 5)
    assert (dropped.returncode, dropped.stdout) == (0, "")
    assert again.returncode == 1
    assert "Nothing with the id" in again.stderr


async def test_what_another_program_sent_meanwhile_is_not_told_as_kept(tmp_path: Path) -> None:
    async def steal(visitor: Visitor) -> None:
        for file in tmp_path.rglob("outbox.sqlite"):
            outbox = Outbox(file, gateway.url)
            for each in outbox.waiting():
                outbox.remove(each.id)
        await visitor.tell({"t": "welcome"})
        await visitor.socket.wait_closed()

    async with scripted_gateway(steal) as gateway:
        gateway.pages = [ME]
        ended = await typed(tmp_path, "cancel", TASK, "--wait", "2", gateway=gateway)

    assert (ended.returncode, ended.stdout) == (0, "")
