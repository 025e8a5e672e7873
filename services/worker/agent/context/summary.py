"""Summaries of a conversation: how the model is asked for one, and what it reads then. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from events import Block, ContextCompacted, PlanItem
from services.worker.agent.text.excerpt import excerpt

REQUEST: Final = """\
[The conversation has grown long. Before you go on, summarize the conversation so far: from your \
next reply on you read only the person's own messages, your plan and this summary, and nothing \
else of the above. Make no tool call. Write in a few pages at most:
- what the task is, and what was decided and why;
- what is done, with the files and the commands that matter, and how it was checked;
- what you found out that you would otherwise have to find again (paths, names, causes, errors);
- what did not work;
- what is to be done next, step by step.]"""

_RESULT_BYTES: Final = 6_000
_RESULTS_BYTES: Final = 18_000
_MARKS: Final[Mapping[str, str]] = {"done": "[x]", "active": "[>]", "pending": "[ ]"}
_BEGINS: Final = (
    "[The conversation grew long, and Errand replaced it by the following. The files {}"
)
_FILES: Final = "are as your calls left them."
_PEOPLE: Final = "What the person wrote to you until then stands above, in full and in order."
_BY_MODEL: Final = "Your own summary of the work so far:"
_BY_WORKER: Final = (
    "You could not be asked for a summary any more. This account of your work was made from the "
    "record: look again at the files before you rely on it."
)
_ENDS: Final = "Go on with the work from here.]"


class PersonalRecord(msgspec.Struct):
    """Answers of people to questions and requests, and the plan: they outlive every summary."""

    questions: dict[str, str] = {}
    loops: set[str] = set()
    answers: list[tuple[str, str]] = []
    refusals: list[str] = []
    plan: tuple[PlanItem, ...] = ()


def summary_text(
    event: ContextCompacted, kept: PersonalRecord, last: Iterable[tuple[Block, Block]]
) -> str:
    """Return what stands in place of the conversation, after the person's messages.

    `last` are the newest reply's calls, each with its result, which the model has not read.
    """
    parts = [f"{_BEGINS.format(_FILES)} {_PEOPLE}", *_record(kept)]
    parts.append(
        f"{_BY_MODEL if event.writer == 'model' else _BY_WORKER}\n\n{event.summary.strip()}"
    )
    results = _results(last)
    if results:
        parts.append("\n".join(["Your last calls returned:", *results]))
    return "\n\n".join([*parts, _ENDS])


def _record(kept: PersonalRecord) -> list[str]:
    parts: list[str] = []
    if kept.answers:
        pairs = [f"- You asked: {asked}\n  They answered: {said}" for asked, said in kept.answers]
        parts.append("\n".join(["Your questions, and the person's answers:", *pairs]))
    if kept.refusals:
        parts.append("\n".join(["The person did not allow:", *kept.refusals]))
    if kept.plan:
        lines = [f"{_MARKS[item.state]} {item.text}" for item in kept.plan]
        parts.append("\n".join(["Your plan as it stands:", *lines]))
    return parts


def _results(last: Iterable[tuple[Block, Block]]) -> Sequence[str]:
    lines: list[str] = []
    left = _RESULTS_BYTES
    for call, result in last:
        arguments = msgspec.json.encode(call["input"], order="sorted").decode()
        wanted = excerpt(arguments, _RESULT_BYTES // 4)[0]
        text = excerpt(str(result["content"]), max(300, min(_RESULT_BYTES, left)))[0]
        left -= len(text.encode())
        lines.append(f"- {call['name']} {wanted}\n{text}")
    return lines
