"""Commands for a task reach it, now or later, once and in order."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from clients.cli.stream.outbox import Outbox
from tests.clients.errand_process import ME, TASK, errand
from tests.kit.build.api_answers import answer, nak, problem, refusal, task_state, welcome
from tests.kit.build.images import png
from tests.kit.fakes.scripted_gateway import ScriptedGateway, Visitor, scripted_gateway

NO_QUESTION = answer(task_state())
AWAY = refusal(problem("The database is away.", 503, retryable=True))
BRIEFLY = ("--wait", "0.3")
ANSWERED = problem("This question was answered at 10:00 with \u201cNo\u201d.")


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
        await visitor.tell(welcome())
        async for said in visitor.socket:
            command = json.loads(said)
            self.heard.append(command)
            if len(self.heard) in self._refused:
                await visitor.tell(nak(command["id"], ANSWERED))
            else:
                await visitor.tell({"t": "ack", "id": command["id"], "task": TASK, "version": 2})

    @property
    def said(self) -> list[Any]:
        return [(each["op"], each.get("task", ""), each["args"]) for each in self.heard]


async def test_an_instruction_to_a_task_that_asks_is_the_answer(tmp_path: Path) -> None:
    ears = Ears()
    state = task_state(question={"request": "req_1"})
    async with scripted_gateway(ears) as gateway:
        gateway.pages = [ME, answer(state)]
        ended = await typed(tmp_path, "say", TASK, "That", gateway=gateway)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "Answered “That” (version 2).\n"
    assert ears.said == [("answer", TASK, {"request": "req_1", "text": "That"})]


@pytest.mark.parametrize(
    ("typed_text", "chosen"), [("2", "green"), ("3", "3"), ("0", "0"), ("two", "two")]
)
async def test_a_number_answers_with_the_option_of_that_number(
    tmp_path: Path, typed_text: str, chosen: str
) -> None:
    ears = Ears()
    state = task_state(question={"request": "req_1", "options": ["red", "green"]})
    async with scripted_gateway(ears) as gateway:
        gateway.pages = [ME, answer(state)]
        ended = await typed(tmp_path, "say", TASK, typed_text, gateway=gateway)

    assert ended.returncode == 0
    assert ears.said == [("answer", TASK, {"request": "req_1", "text": chosen})]


APPROVAL = {"request": "req_9", "title": "Run rm -rf docs"}


@pytest.mark.parametrize("text", ["yes, do it", "no", "Use the other folder"])
async def test_words_do_not_withdraw_a_call_that_waits_for_approval(
    tmp_path: Path, text: str
) -> None:
    ears = Ears()
    state = answer(task_state(approval=APPROVAL))
    async with scripted_gateway(ears) as gateway:
        gateway.pages = [ME, state]
        refused = await typed(tmp_path, "say", TASK, text, gateway=gateway)
        gateway.pages = [ME, state]
        meant = await typed(tmp_path, "say", TASK, text, "--withdraw", gateway=gateway)
        gateway.pages = [ME, state]
        allowed = await typed(tmp_path, "approve", TASK, gateway=gateway)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert "Nothing was sent" in refused.stderr
    assert f"errand approve {TASK} req_9" in refused.stderr
    assert "--deny" in refused.stderr
    assert meant.returncode == allowed.returncode == 0
    assert allowed.stdout == "Allowed: Run rm -rf docs (version 2).\n"
    assert [op for op, _, _ in ears.said] == ["instruct", "approve"]


async def test_cancelling_what_has_ended_says_so(tmp_path: Path) -> None:
    ears = Ears()
    async with scripted_gateway(ears) as gateway:
        gateway.pages = [ME, answer(task_state(phase="finished"))]
        ended = await typed(tmp_path, "cancel", TASK, gateway=gateway)

    assert ended.returncode == 0
    assert "has already ended (finished)" in ended.stdout
    assert ears.said == []


async def test_a_task_is_named_by_the_beginning_of_its_id(tmp_path: Path) -> None:
    ears = Ears()
    found = {"data": [task_state()], "next": None}
    async with scripted_gateway(ears) as gateway:
        gateway.pages = [ME, answer(found), NO_QUESTION]
        ended = await typed(tmp_path, "say", "bbbbb", "More", gateway=gateway)
        asked = gateway.asked[1]

    assert ended.returncode == 0, ended.stderr
    assert asked.startswith("/v1/tasks?id_prefix=task_bbbbb&")
    assert ears.said == [("instruct", TASK, {"text": "More"})]


async def test_an_ambiguous_beginning_lists_what_it_may_mean(tmp_path: Path) -> None:
    other = "task_" + "b" * 25 + "c"
    two = [task_state(title="One"), task_state(id=other, title="Two")]
    found = {"data": two, "next": None}
    async with scripted_gateway(Ears()) as gateway:
        gateway.pages = [ME, answer(found)]
        ended = await typed(tmp_path, "show", "task_bbb", gateway=gateway)

    assert ended.returncode == 1
    assert f"{TASK}  One" in ended.stderr
    assert f"{other}  Two" in ended.stderr


@pytest.mark.parametrize(
    ("named", "said"), [("zz9!", "is not the id"), ("abc", "No task id begins")]
)
async def test_what_names_no_task_is_said(tmp_path: Path, named: str, said: str) -> None:
    async with scripted_gateway(Ears()) as gateway:
        gateway.pages = [ME, (200, b'{"data":[],"next":null}')]
        ended = await typed(tmp_path, "watch", named, gateway=gateway)

    assert ended.returncode == 1
    assert said in ended.stderr


async def test_an_instruction_to_a_task_that_asks_nothing_is_one(tmp_path: Path) -> None:
    ears = Ears()
    async with scripted_gateway(ears) as gateway:
        gateway.pages = [ME, NO_QUESTION]
        ended = await typed(tmp_path, "say", TASK, "More", "--later", gateway=gateway)

    assert ended.returncode == 0
    assert ears.said == [("instruct", TASK, {"text": "More", "mode": "queue"})]


async def test_an_instruction_that_waits_is_edited_and_withdrawn(tmp_path: Path) -> None:
    ears = Ears()
    one = {"version": 3, "mode": "queue", "title": "More"}
    two = {"version": 4, "mode": "steer", "title": "And more"}
    async with scripted_gateway(ears) as gateway:
        gateway.pages = [ME]
        edited = await typed(tmp_path, "edit", TASK, "3", "Less", gateway=gateway)
        gateway.visits = [ears]
        gateway.pages = [ME, answer(task_state(instructions=[one, two]))]
        newest = await typed(tmp_path, "withdraw", TASK, gateway=gateway)
        gateway.visits = [ears]
        gateway.pages = [ME]
        named = await typed(tmp_path, "withdraw", TASK, "3", gateway=gateway)
        gateway.pages = [ME, NO_QUESTION]
        none = await typed(tmp_path, "withdraw", TASK, gateway=gateway)

    assert (edited.returncode, newest.returncode, named.returncode) == (0, 0, 0)
    assert edited.stdout == "Changed the instruction at version 3 (version 2).\n"
    assert none.returncode == 1
    assert "No instruction waits" in none.stderr
    assert ears.said == [
        ("edit_instruction", TASK, {"instruction": 3, "text": "Less"}),
        ("withdraw_instruction", TASK, {"instruction": 4}),
        ("withdraw_instruction", TASK, {"instruction": 3}),
    ]


async def test_nothing_is_sent_when_its_image_is_not_taken(tmp_path: Path) -> None:
    ears = Ears()
    page = tmp_path / "page.png"
    page.write_bytes(png())
    async with scripted_gateway(ears) as gateway:
        gateway.pages = [ME, NO_QUESTION]
        ended = await typed(tmp_path, "say", TASK, "x", "--image", str(page), gateway=gateway)

    assert ended.returncode == 1
    assert "page.png was not uploaded, and nothing was sent" in ended.stderr
    assert ears.said == []


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
        second = await typed(tmp_path, "run", "Fix", "-r", "https://f/o/r.git", gateway=gateway)
        ears = Ears(refused=(1,))
        gateway.visits = [ears]
        gateway.pages = [ME, NO_QUESTION]
        last = await typed(tmp_path, "cancel", TASK, gateway=gateway)
        gateway.pages = [ME]
        empty = await typed(tmp_path, "outbox", gateway=gateway)

    assert first.returncode == second.returncode == 5
    assert "sent with your next command" in first.stdout
    assert "cannot be reached" in second.stdout
    assert last.returncode == 0
    assert "Queued earlier" in last.stdout
    assert "answered at 10:00" in last.stdout
    sent = {"prompt": "Fix", "repository": {"url": "https://f/o/r.git"}}
    assert ears.said == [
        ("instruct", TASK, {"text": "First"}),
        ("submit", "", sent),
        ("cancel", TASK, {}),
    ]
    assert (empty.returncode, empty.stdout) == (0, "")


@pytest.mark.parametrize(("end", "code"), [(1011, 5), (4500, 1)], ids=["away", "a bug of ours"])
async def test_what_is_kept_can_be_seen_and_taken_out(tmp_path: Path, end: int, code: int) -> None:
    async def refuse(visitor: Visitor) -> None:
        await visitor.socket.close(end, "not this")

    async with scripted_gateway(refuse) as gateway:
        gateway.pages = [AWAY, AWAY]
        sent = await typed(tmp_path, "cancel", TASK, "--reason", "late", *BRIEFLY, gateway=gateway)
        gateway.pages = [AWAY]
        listed = await typed(tmp_path, "outbox", *BRIEFLY, gateway=gateway)
        [command] = [line.split()[0] for line in listed.stdout.splitlines() if "late" in line]
        gateway.pages = [AWAY]
        dropped = await typed(tmp_path, "outbox", "--drop", command[:20], gateway=gateway)
        gateway.pages = [AWAY]
        again = await typed(tmp_path, "outbox", "--drop", command, gateway=gateway)

    assert (sent.returncode, listed.returncode) == (code, 5)
    assert (dropped.returncode, dropped.stdout) == (0, f"Removed without sending: cancel {TASK}\n")
    assert again.returncode == 1
    assert "No queued id begins with" in again.stderr


async def test_what_another_program_sent_meanwhile_is_not_told_as_kept(tmp_path: Path) -> None:
    async def steal(visitor: Visitor) -> None:
        for file in tmp_path.rglob("outbox.sqlite"):
            outbox = Outbox(file, gateway.url)
            for each in outbox.waiting():
                outbox.remove(each.id)
        await visitor.tell(welcome())
        await visitor.socket.wait_closed()

    async with scripted_gateway(steal) as gateway:
        gateway.pages = [ME, NO_QUESTION]
        ended = await typed(tmp_path, "cancel", TASK, "--wait", "2", gateway=gateway)

    assert (ended.returncode, ended.stdout) == (0, "Cancelled; its worker stops.\n")


def at(**state: Any) -> tuple[int, bytes]:
    return answer(task_state(**{"phase": "waiting", **state}))


@pytest.mark.parametrize(
    ("amount", "microusd", "shown"),
    [("+2", 2_000_000, "$2.00"), ("+0.50", 500_000, "$0.50"), ("+$.25", 250_000, "$0.25")],
)
async def test_a_budget_is_raised_and_the_new_state_is_printed_in_one_line(
    tmp_path: Path, amount: str, microusd: int, shown: str
) -> None:
    ears = Ears()
    async with scripted_gateway(ears) as gateway:
        gateway.pages = [ME, at(waiting="budget"), at(phase="working", cost_microusd=310_000)]
        ended = await typed(tmp_path, "budget", TASK, amount, gateway=gateway)
        asked = gateway.asked[-1]

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == (
        f"The task may spend {shown} more (version 2): working, $0.31 of model calls so far.\n"
    )
    assert asked == f"/v1/tasks/{TASK}?wait_version=2"
    assert ears.said == [("budget", TASK, {"cost_microusd": microusd})]


@pytest.mark.parametrize("amount", ["2", "+0", "+-1", "+1e3", "+nan", "+0.0000001", "+٣", "=2"])
async def test_what_is_no_amount_to_add_is_refused_with_an_example(
    tmp_path: Path, amount: str
) -> None:
    ears = Ears()
    async with scripted_gateway(ears) as gateway:
        ended = await typed(tmp_path, "budget", TASK, amount, gateway=gateway)

    assert ended.returncode == 2
    assert "such as +2 or +0.50" in " ".join(ended.stderr.replace("│", " ").split())
    assert ears.said == []


async def test_a_task_is_interrupted_and_waits_for_an_instruction(tmp_path: Path) -> None:
    ears = Ears()
    async with scripted_gateway(ears) as gateway:
        gateway.pages = [ME, at(phase="working"), at(waiting="instruction")]
        ended = await typed(tmp_path, "interrupt", TASK, gateway=gateway)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == (
        "Interrupted; send the next instruction with `errand say` (version 2): "
        "waiting for your instruction, $0.00 of model calls so far.\n"
    )
    assert ears.said == [("interrupt", TASK, {})]


@pytest.mark.parametrize("typed_words", [("budget", "+2"), ("interrupt",)])
async def test_what_has_ended_is_neither_interrupted_nor_given_more(
    tmp_path: Path, typed_words: tuple[str, ...]
) -> None:
    ears = Ears()
    async with scripted_gateway(ears) as gateway:
        gateway.pages = [ME, at(phase="finished")]
        name, *more = typed_words
        ended = await typed(tmp_path, name, TASK, *more, gateway=gateway)

    assert ended.returncode == 1
    assert "has already ended (finished); nothing was changed" in ended.stderr
    assert ears.said == []


@pytest.mark.parametrize("rule", ["ask", "ask command", "permit tool bash", "deny file a", ""])
async def test_a_rule_that_is_none_is_refused_with_an_example(tmp_path: Path, rule: str) -> None:
    async with scripted_gateway(Ears()) as gateway:
        ended = await typed(tmp_path, "run", "do it", "--rule", rule, gateway=gateway)
    assert ended.returncode == 2
    assert "such as: ask command git push" in " ".join(ended.stderr.split())


async def test_a_fork_is_kept_while_the_gateway_is_away_and_sent_with_its_version(
    tmp_path: Path,
) -> None:
    ears = Ears()
    words = ("fork", TASK, "another way", "--at", "212", "--policy", "risky")
    async with scripted_gateway(ears) as gateway:
        gateway.pages = [ME, AWAY]
        ended = await typed(tmp_path, *words, gateway=gateway)
        assert (ended.returncode, "queued" in ended.stdout) == (5, True)
        gateway.pages = [ME]
        assert (await typed(tmp_path, "outbox", gateway=gateway)).returncode == 0
    args = {"at": 212, "prompt": "another way", "policy": "risky"}
    assert ears.said == [("fork", TASK, args)]
