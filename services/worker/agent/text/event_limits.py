"""The one place that makes an event of the worker fit into the log, whatever its texts came from.

Pure. Texts that others write (the model, a forge, a proxy) have no end of their own. Each is cut to
its field's limit, with a mark; what a person must be able to read whole, the last word, the plan
and a question, is handed back to be kept as an artifact.
"""

from typing import Final, NamedTuple

from msgspec.structs import replace

from events import (
    ModelFailed,
    ModelReplied,
    PlanItem,
    PlanUpdated,
    QuestionAsked,
    TaskFailed,
    TaskFinished,
    WorkerEvent,
)
from events.limits import bounded

MAX_EVENT_BYTES: Final = 160 * 1024
MAX_SUMMARY_CHARACTERS: Final = 16_000
MAX_QUESTION_CHARACTERS: Final = 16_000
MAX_OPTIONS: Final = 20
MAX_OPTION_CHARACTERS: Final = 300
MAX_ITEM_CHARACTERS: Final = 500
MAX_DETAIL_CHARACTERS: Final = 2_000


class Whole(NamedTuple):
    """A text that was cut: its name as an artifact, and all of it."""

    name: str
    text: str


def fit(event: WorkerEvent) -> tuple[WorkerEvent, Whole | None]:
    """Return the event with texts that fit, and the whole of what a person must not lose.

    The blocks of a reply are left as they are: they go into the object store when they are long.
    """
    if isinstance(event, ModelReplied):
        return replace(bounded(replace(event, blocks=())), blocks=event.blocks), None
    event, whole = _fit_fields(event)
    return bounded(event, limit_bytes=MAX_EVENT_BYTES), whole


def cut(text: str, limit_characters: int, kept_as: str = "") -> str:
    """Return a text of at most so many characters; a mark says how long it was, and where it is."""
    if len(text) <= limit_characters:
        return text
    more = f"; all of it is in {kept_as}" if kept_as else ""
    mark = f" [… cut from {len(text)} characters{more}]"
    return text[: max(0, limit_characters - len(mark))] + mark


def _fit_fields(event: WorkerEvent) -> tuple[WorkerEvent, Whole | None]:
    match event:
        case ModelFailed():
            return replace(event, detail=cut(event.detail, MAX_DETAIL_CHARACTERS)), None
        case TaskFailed():
            detail = cut(event.detail, MAX_DETAIL_CHARACTERS)
            return replace(
                event, detail=detail, remedy=cut(event.remedy, MAX_DETAIL_CHARACTERS)
            ), None
        case TaskFinished():
            short = cut(event.summary, MAX_SUMMARY_CHARACTERS, "summary.md")
            return _kept(event, replace(event, summary=short), Whole("summary.md", event.summary))
        case PlanUpdated():
            items = tuple(
                PlanItem(cut(item.text, MAX_ITEM_CHARACTERS, "plan.md"), item.state)
                for item in event.items
            )
            text = "".join(f"- [{item.state}] {item.text}\n" for item in event.items)
            return _kept(event, replace(event, items=items), Whole("plan.md", text))
        case QuestionAsked():
            short = cut(event.text, MAX_QUESTION_CHARACTERS, "question.md")
            filled = [option for option in event.options if option.strip()]
            options = tuple(cut(each, MAX_OPTION_CHARACTERS) for each in filled[:MAX_OPTIONS])
            text = "\n\n".join([event.text, *(f"- {option}" for option in filled)])
            return _kept(
                event, replace(event, text=short, options=options), Whole("question.md", text)
            )
        case _:
            return event, None


def _kept(
    before: WorkerEvent, after: WorkerEvent, whole: Whole
) -> tuple[WorkerEvent, Whole | None]:
    return after, (None if after == before else whole)
