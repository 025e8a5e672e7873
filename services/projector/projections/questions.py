"""Read model `question`: what the agent asked, and what it was answered."""

from collections.abc import Sequence

from events import QuestionAnswered, QuestionAsked, Recorded
from services.projector.projections.table import Row, Table, key_text

QUESTION = Table(
    "question",
    ("task", "request"),
    (
        "task",
        "request",
        "account",
        "version",
        "text",
        "options",
        "asked_at",
        "answer",
        "answered_at",
    ),
)
FACTS = (QuestionAsked, QuestionAnswered)


def project(recorded: Recorded) -> Sequence[Row]:
    """Project a question or its answer."""
    match recorded.event:
        case QuestionAsked(request=request, text=text, options=options):
            changes: dict[str, object] = {
                "request": key_text(request),
                "version": recorded.version,
                "text": text,
                "options": options,
                "asked_at": recorded.at,
            }
        case QuestionAnswered(request=request, text=text):
            changes = {
                "request": key_text(request),
                "answer": text,
                "answered_at": recorded.at,
            }
        case _:
            return []
    return [Row(QUESTION, {"task": recorded.task, "account": recorded.account, **changes})]
