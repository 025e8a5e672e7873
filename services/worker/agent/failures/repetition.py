"""Detection of a loop: the agent makes the same calls again and again, to the same results. Pure.

A loop costs money and looks like work, so the person is asked. The question is put, and its answer
known again, by the event that completed the loop: every attempt asks the same.
"""

from hashlib import sha256
from typing import Final

import msgspec
from msgspec.structs import replace

from events import CallId, EventId, QuestionAsked, RequestId, TaskFailed, TaskId, request_id
from services.worker.agent.text.excerpt import excerpt
from services.worker.agent.tool_calls import ASK, Call, one_line

MAX_SAME: Final = 5
"""Times in a row that a call may have the same result."""

MAX_PAIRS: Final = 4
"""Times in a row that the same two calls may alternate, with the same two results."""

GO_ON: Final = "Go on"
STOP: Final = "Stop"
_KEPT: Final = max(MAX_SAME, 2 * MAX_PAIRS)
_CALL: Final = "loop-"
_SHOWN_CHARACTERS: Final = 200
_encoder: Final = msgspec.json.Encoder(order="sorted")


class Repetition(msgspec.Struct, frozen=True):
    """The newest calls with their results, as digests, and the event that completed a loop.

    `title` is the call of the loop in words; `is_stopped`: the person wants it to end.
    """

    newest: tuple[str, ...] = ()
    event: EventId = EventId("")
    title: str = ""
    is_stopped: bool = False

    @property
    def call(self) -> CallId:
        """The name under which the question is asked: there is no call of the model for it."""
        return CallId(f"{_CALL}{self.event}")

    def request(self, task: TaskId) -> RequestId:
        """Return the request of the question."""
        return request_id(task, self.call)


def is_loop_question(call: CallId) -> bool:
    """Return whether a question is one of ours, about a loop."""
    return call.startswith(_CALL)


def add_result(repetition: Repetition, call: Call, result: str, event: EventId) -> Repetition:
    """Count an ended call; `result` is all that the model reads of it."""
    if call.name == ASK:
        return repetition
    made = sha256(_encoder.encode([call.name, call.input, result])).hexdigest()[:16]
    newest = (*repetition.newest, made)[-_KEPT:]
    if not _is_loop(newest):
        return replace(repetition, newest=newest)
    command = call.input.get("command") or call.input.get("path") or call.input.get("pattern") or ""
    title = one_line(f"{call.name} {command if isinstance(command, str) else ''}".strip())
    return Repetition(newest, event, excerpt(title, _SHOWN_CHARACTERS)[0])


def loop_question(repetition: Repetition, task: TaskId) -> QuestionAsked:
    """Return the question to the person."""
    return QuestionAsked(
        request=repetition.request(task),
        call=repetition.call,
        text=(
            "The agent seems to go round in circles: it made the same calls again and again, with "
            f"the same results, the last of them `{repetition.title}`. Shall it go on? You can "
            "also write what it should do instead."
        ),
        options=(GO_ON, STOP),
    )


def stop_failure(repetition: Repetition) -> TaskFailed:
    """End a task whose loop the person stopped."""
    return TaskFailed(
        reason="stopped_in_loop",
        detail=f"You stopped the agent, which repeated `{repetition.title}` in vain.",
        remedy="Write to the task what to do differently; it goes on from where it stands.",
    )


def answer_loop(repetition: Repetition, text: str) -> Repetition:
    """Apply the person's answer: count again from nothing, or stop."""
    is_stopped = choice_of(text) == STOP
    return replace(repetition, is_stopped=True) if is_stopped else Repetition()


def choice_of(text: str) -> str:
    """Return which of the offered answers a text is; empty where it is something else."""
    plain = text.strip().rstrip(".!").lower()
    return next((each for each in (GO_ON, STOP) if plain == each.lower()), "")


def _is_loop(newest: tuple[str, ...]) -> bool:
    if len(newest) >= MAX_SAME and len(set(newest[-MAX_SAME:])) == 1:
        return True
    pairs = newest[-2 * MAX_PAIRS :]
    is_long = len(pairs) == 2 * MAX_PAIRS
    return is_long and len(set(pairs[::2])) == 1 and len(set(pairs[1::2])) == 1
