"""Every script, played through the real SDK against real tools on a copy of its sample."""

import copy
from pathlib import Path

import pytest
from anthropic import AsyncAnthropic

from infra.simulators.anthropic.scripts.conversation import Errand, errand_of
from infra.simulators.anthropic.scripts.engine import play
from infra.simulators.anthropic.scripts.script import BadScript, read
from tests.kit.run.rehearsal_model import Agent, ToolFailed, Workspace, rehearsal_model, sdk

__all__ = ["rehearsal_model", "sdk"]

FIX = "The tests fail, fix it"
EXTEND = "Add a method that lists what is running low, with tests."
GREET = "Greet people without a name in a friendlier way; ask me how."
GREEN = "python3 -m unittest"


def agent(sdk: AsyncAnthropic, sample: str, tmp_path: Path, *answers: str) -> Agent:
    workspace = Workspace.of_sample(sample, tmp_path / "work")
    workspace.answers += answers
    return Agent(sdk, workspace)


def replace(workspace: Workspace, path: str, old: str, new: str) -> None:
    text = workspace.text(path)
    assert old in text
    (workspace.root / path).write_text(text.replace(old, new))


async def test_failing_tests_are_fixed(sdk: AsyncAnthropic, tmp_path: Path) -> None:
    worker = agent(sdk, "slugify", tmp_path)
    last = await worker.run(FIX)
    assert "return slug[:end]\n" in worker.workspace.text("slugify/text.py")
    assert worker.workspace.run("bash", {"command": GREEN}).rstrip().endswith("OK")
    [submitted] = worker.workspace.submitted
    assert submitted["title"] == "Fix slugify/text.py"
    assert "Ran 13 tests" in submitted["body"]
    assert last.startswith("Done")
    assert max(sum(b.type == "tool_use" for b in r.content) for r in worker.replies) == 2
    assert any(b.type == "thinking" and b.thinking for r in worker.replies for b in r.content)


async def test_a_second_mistake_is_fixed_when_the_tests_still_fail(
    sdk: AsyncAnthropic, tmp_path: Path
) -> None:
    worker = agent(sdk, "slugify", tmp_path)
    replace(worker.workspace, "slugify/text.py", '"[^a-z0-9]+"', '"[^a-z0-9]"')
    await worker.run(FIX)
    assert worker.workspace.run("bash", {"command": GREEN}).rstrip().endswith("OK")
    assert worker.workspace.commands.count(GREEN) == 4  # three of the script's, one of this test
    assert len(worker.workspace.submitted) == 1


async def test_a_mistake_in_a_module_behind_the_tested_one_is_found(
    sdk: AsyncAnthropic, tmp_path: Path
) -> None:
    worker = agent(sdk, "slugify", tmp_path)
    (worker.workspace.root / "tests/test_text.py").unlink()
    await worker.run(FIX)
    assert ("read", {"path": "slugify/unique.py"}) in worker.calls
    assert "return slug[:end]\n" in worker.workspace.text("slugify/text.py")
    assert len(worker.workspace.submitted) == 1


async def test_a_mistake_the_script_does_not_know_ends_honestly(
    sdk: AsyncAnthropic, tmp_path: Path
) -> None:
    worker = agent(sdk, "slugify", tmp_path)
    replace(worker.workspace, "slugify/text.py", "slug[: end + 1]", "slug[:end].upper()")
    last = await worker.run(FIX)
    assert last.startswith("I could not find the cause")
    assert worker.workspace.submitted == []


async def test_passing_tests_are_left_alone(sdk: AsyncAnthropic, tmp_path: Path) -> None:
    worker = agent(sdk, "inventory", tmp_path)
    assert "nothing to fix" in await worker.run(FIX)
    assert worker.workspace.submitted == []


async def test_a_machine_without_python_ends_honestly(
    sdk: AsyncAnthropic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_python(self: Workspace, command: str, timeout_seconds: float) -> str:
        raise ToolFailed("bash: line 1: python3: command not found\nexit code: 127")

    monkeypatch.setattr(Workspace, "_bash", no_python)
    worker = agent(sdk, "slugify", tmp_path)
    last = await worker.run(FIX)
    assert last.startswith("I could not run the tests. `bash` answered:")
    assert "command not found" in last
    assert worker.workspace.submitted == []


async def test_a_refused_edit_is_never_claimed(
    sdk: AsyncAnthropic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Workspace, path: str, old: str, new: str) -> str:
        raise ToolFailed("The person said no.")

    monkeypatch.setattr(Workspace, "_edit", refused)
    worker = agent(sdk, "slugify", tmp_path)
    last = await worker.run(FIX)
    assert last.startswith("I could not change slugify/text.py")
    assert [name for name, _ in worker.calls].count("edit") == 2
    assert worker.workspace.submitted == []


async def test_a_method_is_added_tests_first(sdk: AsyncAnthropic, tmp_path: Path) -> None:
    worker = agent(sdk, "inventory", tmp_path)
    await worker.run(EXTEND)
    output = worker.workspace.run("bash", {"command": GREEN})
    assert "Ran 13 tests" in output
    assert output.rstrip().endswith("OK")
    assert len(worker.workspace.submitted) == 1
    edited = [fields["path"] for name, fields in worker.calls if name == "edit"]
    assert edited == ["tests/test_stock.py", "inventory/stock.py"]


async def test_a_method_that_is_there_is_not_added_again(
    sdk: AsyncAnthropic, tmp_path: Path
) -> None:
    worker = agent(sdk, "inventory", tmp_path)
    await worker.run(EXTEND)
    again = Agent(sdk, worker.workspace)
    assert "already" in await again.run(EXTEND)
    assert len(worker.workspace.submitted) == 1


@pytest.mark.parametrize("answer", ["friend", "dear guest", "Fremder", "l'étranger"])
async def test_the_persons_answer_decides(sdk: AsyncAnthropic, tmp_path: Path, answer: str) -> None:
    worker = agent(sdk, "greeter", tmp_path, answer)
    await worker.run(GREET)
    assert worker.workspace.questions[0]["options"] == ["friend", "traveller", "Leave it as it is"]
    assert f'STRANGER = "{answer}"' in worker.workspace.text("greeter/words.py")
    assert worker.workspace.run("bash", {"command": GREEN}).rstrip().endswith("OK")
    assert len(worker.workspace.submitted) == 1


async def test_an_answer_that_cannot_be_used_is_asked_about_again(
    sdk: AsyncAnthropic, tmp_path: Path
) -> None:
    worker = agent(sdk, "greeter", tmp_path, 'x"; import os #', "traveller")
    await worker.run(GREET)
    assert len(worker.workspace.questions) == 2
    assert 'STRANGER = "traveller"' in worker.workspace.text("greeter/words.py")


@pytest.mark.parametrize("answer", ["Leave it as it is", "stranger"])
async def test_an_answer_may_be_to_leave_it(
    sdk: AsyncAnthropic, tmp_path: Path, answer: str
) -> None:
    worker = agent(sdk, "greeter", tmp_path, answer)
    assert "change nothing" in await worker.run(GREET)
    assert worker.workspace.submitted == []


@pytest.mark.parametrize("count", [1, 2, 3, 11])
async def test_a_load_makes_exactly_so_many_calls(
    sdk: AsyncAnthropic, tmp_path: Path, count: int
) -> None:
    (tmp_path / "work").mkdir()
    worker = Agent(sdk, Workspace(tmp_path / "work"))
    await worker.run(f"Please rehearse {count} tool calls")
    names = [name for name, _ in worker.calls]
    assert len(names) == count + 1
    assert names[-1] == "submit"
    assert worker.workspace.text("rehearsal/0001.txt") == "1\n"


async def test_a_load_with_seconds_sleeps_in_every_call(
    sdk: AsyncAnthropic, tmp_path: Path
) -> None:
    (tmp_path / "work").mkdir()
    worker = Agent(sdk, Workspace(tmp_path / "work"))
    await worker.run("rehearse 3 tool calls of 0.01 seconds")
    assert [name for name, _ in worker.calls] == ["bash", "bash", "bash", "submit"]
    assert all("sleep 00.01 " in command for command in worker.workspace.commands)


async def test_a_load_notices_a_lost_workspace(sdk: AsyncAnthropic, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    worker = Agent(sdk, Workspace(tmp_path / "work"))
    worker.messages.append({"role": "user", "content": "rehearse 5 tool calls"})
    worker.answer(await worker.turn())
    (tmp_path / "work/rehearsal/0001.txt").unlink()
    worker.answer(await worker.turn())
    reply = await worker.turn()
    assert reply.stop_reason == "end_turn"
    assert "could not find 1 again in rehearsal/0001.txt" in reply.content[-1].text


@pytest.mark.parametrize(
    ("sample", "prompt"), [("slugify", FIX), ("inventory", EXTEND), ("greeter", GREET)]
)
async def test_calls_cut_off_after_they_took_effect_are_made_again(
    sdk: AsyncAnthropic, tmp_path: Path, sample: str, prompt: str
) -> None:
    worker = agent(sdk, sample, tmp_path, "friend", "friend")
    cut_off: set[str] = set()

    def interrupt(results: list[dict]) -> None:
        """Cut every call off once, whatever it did."""
        for block, result in zip(calls_in(worker.messages[-1]), results, strict=True):
            call = f"{block['name']} {block['input']}"
            if call not in cut_off:
                cut_off.add(call)
                result |= {"is_error": True, "content": "This call was interrupted: worker lost."}

    worker.before_results = interrupt
    last = await worker.run(prompt)
    assert last.startswith("Done")
    assert worker.workspace.run("bash", {"command": GREEN}).rstrip().endswith("OK")
    edited = "".join(p.read_text() for p in worker.workspace.root.rglob("*.py"))
    assert edited.count("def running_low") == (sample == "inventory")
    assert edited.count("class RunningLowTest") == (sample == "inventory")


def calls_in(message: dict) -> list[dict]:
    return [block for block in message["content"] if block["type"] == "tool_use"]


async def test_a_call_whose_effect_may_be_lost_is_made_again(
    sdk: AsyncAnthropic, tmp_path: Path
) -> None:
    (tmp_path / "work").mkdir()
    worker = Agent(sdk, Workspace(tmp_path / "work"))
    worker.messages.append({"role": "user", "content": "rehearse 4 tool calls"})
    worker.answer(await worker.turn())
    (tmp_path / "work/rehearsal/0001.txt").unlink()
    notice = "[A new machine has taken over: what the calls just above did may be lost.]"
    worker.messages[-1]["content"].append({"type": "text", "text": notice})
    reply = await worker.turn()
    assert worker.calls[0] == worker.calls[1]
    assert not [b for b in reply.content if b.type == "text"]  # a notice is nobody's word
    while reply.stop_reason == "tool_use":
        worker.answer(reply)
        reply = await worker.turn()
    assert len(worker.workspace.submitted) == 1
    assert len(worker.calls) == 4 + 1 + 1


async def test_an_undone_call_is_made_again_and_so_is_what_came_after_it(
    sdk: AsyncAnthropic, tmp_path: Path
) -> None:
    (tmp_path / "work").mkdir()
    worker = Agent(sdk, Workspace(tmp_path / "work"))
    worker.messages.append({"role": "user", "content": "rehearse 4 tool calls"})
    for _ in range(3):  # a command that writes, a look at what it wrote, another file
        worker.answer(await worker.turn())
    for written in (tmp_path / "work/rehearsal").iterdir():
        written.unlink()
    [first] = calls_in(worker.messages[1])
    [third] = calls_in(worker.messages[5])
    notice = (
        "[A new machine has taken this task over. Undone:\n"
        f"1. bash: Write ({first['id']})\n2. write: Write ({third['id']})\nDo it again.]"
    )
    worker.messages[-1]["content"].append({"type": "text", "text": notice})
    reply = await worker.turn()
    assert worker.calls[3] == worker.calls[0]
    while reply.stop_reason == "tool_use":
        worker.answer(reply)
        reply = await worker.turn()
    assert len(worker.workspace.submitted) == 1
    assert len(list((tmp_path / "work/rehearsal").iterdir())) == 3


async def test_a_call_interrupted_again_and_again_is_given_up(
    sdk: AsyncAnthropic, tmp_path: Path
) -> None:
    worker = agent(sdk, "slugify", tmp_path)

    def interrupt(results: list[dict]) -> None:
        for result in results:
            result |= {"is_error": True, "content": "interrupted"}

    worker.before_results = interrupt
    assert "was interrupted" in await worker.run(FIX)


async def test_the_same_history_gets_the_same_reply(sdk: AsyncAnthropic, tmp_path: Path) -> None:
    worker = agent(sdk, "slugify", tmp_path)
    await worker.run(FIX)
    for place in range(1, len(worker.messages), 2):
        again = Agent(sdk, worker.workspace)
        again.messages = copy.deepcopy(worker.messages[:place])
        await again.turn()
        assert without_ids(again.messages[-1]) == without_ids(worker.messages[place])


def without_ids(message: dict) -> list[dict]:
    """Call ids differ between two replies, and so do signatures over what holds them."""
    volatile = ("id", "signature")
    return [{k: v for k, v in b.items() if k not in volatile} for b in message["content"]]


async def test_one_call_at_a_time_where_parallel_calls_are_off(
    sdk: AsyncAnthropic, tmp_path: Path
) -> None:
    worker = agent(sdk, "slugify", tmp_path)
    worker.options["tool_choice"] = {"type": "auto", "disable_parallel_tool_use": True}
    await worker.run(FIX)
    assert max(sum(b.type == "tool_use" for b in r.content) for r in worker.replies) == 1
    assert len(worker.workspace.submitted) == 1


async def test_an_unknown_prompt_gets_an_honest_answer(sdk: AsyncAnthropic, tmp_path: Path) -> None:
    worker = Agent(sdk, Workspace(tmp_path))
    last = await worker.run("Rewrite the kernel in Haskell")
    assert "rehearsal model" in last
    assert "ANTHROPIC_API_KEY" in last
    assert "The tests fail, fix it." in last
    assert len(worker.replies) == 1


async def test_a_new_prompt_after_the_end_is_a_new_errand(
    sdk: AsyncAnthropic, tmp_path: Path
) -> None:
    worker = agent(sdk, "slugify", tmp_path)
    await worker.run(FIX)
    last = await worker.run("rehearse 2 tool calls")
    assert last.startswith("Done: 2 tool calls")
    assert len(worker.workspace.submitted) == 2


async def test_a_word_in_between_is_acknowledged(sdk: AsyncAnthropic, tmp_path: Path) -> None:
    worker = agent(sdk, "slugify", tmp_path)
    worker.messages.append({"role": "user", "content": FIX})
    worker.answer(await worker.turn())
    worker.messages[-1]["content"].append({"type": "text", "text": "Hurry!"})
    reply = await worker.turn()
    assert any(b.type == "text" and '"Hurry!"' in b.text for b in reply.content)
    assert reply.stop_reason == "tool_use"


def test_a_script_without_its_tools_says_which_are_missing() -> None:
    script = read(SMALL, "small.toml")
    assert "needs the tools bash" in play([script], Errand("go on"), {"read"}).say


def test_a_foreign_history_is_not_played_on() -> None:
    script = read(SMALL, "small.toml")
    call = {"type": "tool_use", "id": "a", "name": "bash", "input": {"command": "make"}}
    result = {"type": "tool_result", "tool_use_id": "a", "content": "ok"}
    history = [
        {"role": "user", "content": "go on"},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]
    assert "another model began this work" in play([script], errand_of(history), {"bash"}).say


SMALL = """
name = "small"
example = "Go on."
match = ["go on"]
first = "run"
[steps.run]
calls = [{ tool = "bash", input = { command = "true" } }]
next = [{ go = "end", when = [{ call = "bash", exit_code = 0 }] }]
[steps.end]
say = "Done."
"""


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('go = "end"', 'go = "nowhere"', "no step 'nowhere'"),
        ('call = "bash"', 'call = "cat"', "no call 'cat'"),
        ('"Done."', '"Done <<thing>>."', "ever captured as 'thing'"),
        ('["go on"]', '["("]', "missing )"),
        ('first = "run"', 'first = "walk"', "no step 'walk'"),
        ("[steps.end]", "[steps.end]\nsey = 1", "unknown field `sey`"),
    ],
)
def test_a_script_that_cannot_be_played_is_refused(old: str, new: str, fault: str) -> None:
    with pytest.raises(BadScript, match=fault.replace(")", r"\)")):
        read(SMALL.replace(old, new), "small.toml")
