import pytest

from events import (
    InstructionEdited,
    InstructionWithdrawn,
    ModelFailed,
    TaskInstructed,
    ToolInterrupted,
)
from services.worker.agent.messages import build_messages
from tests.kit.build.worker_history import (
    PREPARED,
    SNAPSHOT,
    SUBMIT,
    SUBMITTED,
    began,
    ended,
    history,
    replied,
    requested,
    started,
)

BASH = ("b", "bash", {"command": "ls"})
WRITE = ("w", "write", {"path": "x", "content": ""})
READ = ("r", "read", {"path": "x"})
BEGIN = (SUBMITTED, started(), PREPARED, requested())
PROMPT = {"role": "user", "content": [{"type": "text", "text": "fix it"}]}


def sent(*events):
    return build_messages(history(*events))


def texts(message):
    return [block.get("text") for block in message["content"]]


def test_nothing_is_sent_before_the_model_is_to_be_asked():
    assert sent(SUBMITTED, started(), PREPARED) == []


def test_the_prompt_is_the_first_message():
    assert sent(*BEGIN) == [PROMPT]


def test_a_reply_goes_back_verbatim():
    thinking = {"type": "thinking", "thinking": "", "signature": "s1"}
    reply = replied(BASH)
    blocks = (thinking, *reply.blocks)
    reply = type(reply)(
        **{f: getattr(reply, f) for f in reply.__struct_fields__} | {"blocks": blocks}
    )

    conversation = sent(*BEGIN, reply, began("b"), ended("b", "a.py"), requested(2))

    assert conversation[1] == {"role": "assistant", "content": list(blocks)}


def test_every_call_gets_its_result_in_one_message_in_the_order_of_the_calls():
    conversation = sent(
        *BEGIN, replied(BASH, READ), ended("r", "second"), ended("b", "first"), requested(2)
    )

    assert conversation[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "b", "content": "first"},
        {"type": "tool_result", "tool_use_id": "r", "content": "second"},
    ]


def test_errors_and_interruptions_are_marked():
    conversation = sent(
        *BEGIN,
        replied(BASH, READ),
        ended("b", "no", is_error=True),
        ToolInterrupted(call="r", reason="machine_lost"),
        requested(2),
    )

    error, interrupted = conversation[2]["content"]
    assert error["is_error"]
    assert interrupted["is_error"]
    assert interrupted["content"].startswith("Interrupted: the machine was lost")


def test_a_silent_call_has_a_result_that_says_so():
    conversation = sent(*BEGIN, replied(BASH), ended("b", ""), requested(2))

    assert conversation[2]["content"][0]["content"] == "(no output)"


def test_a_steering_word_comes_after_the_results():
    conversation = sent(
        *BEGIN, replied(BASH), TaskInstructed(text="hurry"), ended("b"), requested(2)
    )

    assert texts(conversation[2]) == [None, "hurry"]


def test_a_word_said_while_the_model_answers_waits_for_the_next_request():
    conversation = sent(*BEGIN, TaskInstructed(text="hurry"), replied(BASH), ended("b"))

    assert len(conversation) == 2
    assert conversation[0] == PROMPT


def test_a_queued_word_waits_for_the_end_of_the_work():
    queued = TaskInstructed(text="then this", mode="queue")
    working = [*BEGIN, replied(BASH), queued, ended("b"), requested(2)]

    assert texts(sent(*working)[-1]) == [None]
    done = sent(*working, replied(text="done", turn=2), requested(3))
    assert texts(done[-1]) == ["then this"]


def test_an_edited_instruction_is_read_as_it_is_now_in_its_place():
    one, two = TaskInstructed(text="one"), TaskInstructed(text="two")
    conversation = sent(
        SUBMITTED, one, two, InstructionEdited(instruction=2, text="uno"), requested()
    )

    assert texts(conversation[0]) == ["fix it", "uno", "two"]


def test_a_withdrawn_instruction_is_never_read():
    queued = TaskInstructed(text="then this", mode="queue")
    gone = [*BEGIN, replied(BASH), queued, InstructionWithdrawn(instruction=6), ended("b")]
    conversation = sent(*gone, requested(2), replied(text="done", turn=2), requested(3))

    assert "then this" not in str(conversation)


def test_what_was_sent_stays_as_it_was_whatever_is_said_of_it_later():
    late = (InstructionEdited(instruction=2, text="other"), InstructionWithdrawn(instruction=2))
    conversation = sent(SUBMITTED, TaskInstructed(text="one"), requested(), *late, requested(2))

    assert texts(conversation[0]) == ["fix it", "one"]


def test_a_request_made_again_carries_what_was_said_in_between():
    failure = ModelFailed(turn=1, kind="overloaded", detail="")

    conversation = sent(*BEGIN, failure, TaskInstructed(text="hurry"), requested())

    assert len(conversation) == 1
    assert texts(conversation[0]) == ["fix it", "hurry"]


def test_a_new_machine_is_announced_after_the_results():
    conversation = sent(
        *BEGIN,
        replied(BASH),
        began("b"),
        started(2),
        ToolInterrupted(call="b", reason="machine_lost"),
        PREPARED,
        requested(2),
    )

    result, notice = conversation[-1]["content"]
    assert result["type"] == "tool_result"
    assert "new machine" in notice["text"]


def test_a_new_machine_names_the_calls_whose_work_it_does_not_have():
    lost = [
        *(*BEGIN, replied(WRITE), began("w", "write"), ended("w"), requested(2)),
        *(replied(BASH, SUBMIT, turn=2), began("b"), started(2)),
        ToolInterrupted(call="b", reason="machine_lost"),
        ToolInterrupted(call="s", reason="not_run"),
        *(PREPARED, requested(3)),
    ]

    *results, notice = sent(*lost)[-1]["content"]

    assert [r["content"].split(":")[0] for r in results] == ["Interrupted", "Not run"]
    assert "1. write: write (w)\n2. bash: bash (b)" in notice["text"]
    assert texts(sent(*lost, started(3), PREPARED, requested(3))[-1])[2:3] == [notice["text"]]


def test_a_new_machine_that_has_all_of_the_work_says_so():
    kept = [*BEGIN, replied(WRITE), began("w", "write"), ended("w"), SNAPSHOT, started(2)]

    notice = sent(*kept, PREPARED, requested(2))[-1]["content"][-1]["text"]

    assert "as your last call left them" in notice


@pytest.mark.parametrize("reason", ["failed", "cancelled", "abandoned", "finished", "not_run"])
def test_only_what_a_person_stopped_is_told_as_stopped_by_them(reason):
    ended_first = [*BEGIN, replied(BASH), ToolInterrupted(call="b", reason=reason), requested(2)]

    [result] = sent(*ended_first)[-1]["content"]

    assert result["content"].startswith("Not run: ")
    assert "stopped it" not in result["content"]


def test_a_machine_lost_before_the_first_reply_is_not_worth_a_word():
    assert sent(*BEGIN, started(2), PREPARED, requested()) == [PROMPT]


def test_calls_of_a_reply_that_was_cut_are_answered_as_not_run():
    cut = replied(BASH, stop="max_tokens")

    conversation = sent(*BEGIN, cut, TaskInstructed(text="go on"), requested(2))

    assert conversation[2]["content"][0]["is_error"]
    assert texts(conversation[2])[1] == "go on"


def test_an_empty_reply_leaves_no_empty_message():
    conversation = sent(
        *BEGIN, replied(text=" ", stop="end_turn"), TaskInstructed(text="go on"), requested(2)
    )

    assert len(conversation) == 1
    assert texts(conversation[0]) == ["fix it", "go on"]
