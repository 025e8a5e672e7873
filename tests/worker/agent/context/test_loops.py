"""An agent that goes round in circles: the person is asked, and decides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import (
    CallId,
    EventId,
    QuestionAnswered,
    QuestionAsked,
    TaskFailed,
    TaskFinished,
    TaskInstructed,
)
from services.worker.agent.failures.repetition import (
    MAX_PAIRS,
    MAX_SAME,
    Repetition,
    add_result,
    choice_of,
)
from services.worker.agent.tool_calls import Call
from tests.kit.build.worker_history import SUBMITTED
from tests.kit.fakes.worker_world import Bench, called, said
from tests.kit.run.driven_workers import driven, driving, last_words, until

SAME = [(f"c{n}", "bash", {"command": "make test"}) for n in range(MAX_SAME)]


def counted(*made: tuple[str, str]) -> Repetition:
    repetition = Repetition()
    for number, (command, result) in enumerate(made):
        call = Call(CallId(f"c{number}"), "bash", {"command": command})
        repetition = add_result(repetition, call, result, EventId(f"evt_{number}"))
    return repetition


def test_the_same_call_with_the_same_result_is_a_loop_after_five_times():
    assert not counted(*[("ls", "a")] * (MAX_SAME - 1)).event
    assert counted(*[("ls", "a")] * MAX_SAME).event == f"evt_{MAX_SAME - 1}"


def test_two_calls_that_alternate_are_a_loop():
    pairs = [("edit", "done"), ("test", "failed")]
    assert not counted(*(pairs * MAX_PAIRS)[:-1]).event
    assert counted(*pairs * MAX_PAIRS).event


@given(st.lists(st.integers(0, 2), max_size=40))
def test_calls_whose_results_differ_are_never_a_loop(commands):
    made = [(f"command {command}", f"result {place}") for place, command in enumerate(commands)]
    assert not counted(*made).event


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy")), max_size=30))
def test_what_is_called_a_loop_is_one(made):
    for length in range(len(made)):
        tail = made[: length + 1]
        is_same = len(tail) >= MAX_SAME and len(set(tail[-MAX_SAME:])) == 1
        last = tail[-2 * MAX_PAIRS :]
        is_pair = len(last) == 2 * MAX_PAIRS and last == last[:2] * MAX_PAIRS
        assert bool(counted(*tail).event) == (is_same or is_pair)
        if is_same or is_pair:
            return


@pytest.mark.parametrize(
    ("text", "choice"),
    [("Go on", "Go on"), (" go on. ", "Go on"), ("STOP", "Stop"), ("stop it now", ""), ("", "")],
)
def test_an_answer_is_one_of_the_offered_ones_or_words_for_the_agent(text, choice):
    assert choice_of(text) == choice


async def asked(bench: Bench, answer: str) -> None:
    await bench.append(SUBMITTED)
    async with driving(bench):
        await until(bench, QuestionAsked)
        [question] = bench.facts(QuestionAsked)
        assert "make test" in question.text
        assert question.options == ("Go on", "Stop")
        await bench.append(QuestionAnswered(request=question.request, text=answer))


async def test_a_person_lets_the_agent_go_on():
    bench = Bench(*map(called, SAME), said("I see, it cannot be done."))
    await asked(bench, "Go on")

    assert "with the same results" in last_words(bench)[-1]["text"]
    assert len(bench.facts(TaskFinished)) == 1


async def test_a_person_says_what_to_do_instead():
    bench = Bench(*map(called, SAME), said("Done."))
    await asked(bench, "run make lint instead")

    assert last_words(bench)[-1]["text"] == "run make lint instead"
    assert len(bench.facts(QuestionAsked)) == 1


async def test_a_person_stops_the_agent_and_takes_the_task_up_again_later():
    bench = Bench(*map(called, SAME), said("Done."))
    await asked(bench, "Stop")
    [failed] = bench.facts(TaskFailed)
    assert failed.reason == "stopped_in_loop"
    assert len(bench.model.model_requests) == MAX_SAME

    await bench.append(TaskInstructed(text="try once more"))
    await driven(bench, 2)
    assert len(bench.facts(TaskFinished)) == 1


async def test_an_instruction_is_an_answer_too():
    bench = Bench(*map(called, SAME), said("Done."))
    await bench.append(SUBMITTED)
    async with driving(bench):
        await until(bench, QuestionAsked)
        await bench.append(TaskInstructed(text="leave it"))

    assert last_words(bench)[-1]["text"] == "leave it"
    assert len(bench.facts(TaskFinished)) == 1


async def test_another_worker_asks_the_same_question_and_takes_an_answer_from_before():
    dead = Bench(*map(called, SAME), said("Done."))
    await asked(dead, "Go on")
    [question] = dead.facts(QuestionAsked)
    place = next(n for n, r in enumerate(dead.recorded) if isinstance(r.event, QuestionAsked))

    for length in (place, place + 1):
        heir = Bench(said("Done."))
        heir.log.recorded = dead.log.recorded[:length]
        async with driving(heir, 2):
            await until(heir, QuestionAsked, 1 + length - place)
            await heir.append(QuestionAnswered(request=question.request, text="Go on"))
        assert {each.request for each in heir.facts(QuestionAsked)} == {question.request}
        assert len(heir.facts(TaskFinished)) == 1

    late = Bench(said("Done."))
    late.log.recorded = dead.log.recorded[: place + 2]
    await driven(late, 2)
    assert len(late.facts(QuestionAsked)) == 1
    assert len(late.facts(TaskFinished)) == 1
