"""Read model `message`: what people and the agent said, as a conversation.

An instruction has the text it was last given; one that was withdrawn has none.
"""

from collections.abc import Sequence

from events import (
    ApprovalAnswered,
    ApprovalRequested,
    InstructionEdited,
    InstructionWithdrawn,
    ModelReplied,
    QuestionAnswered,
    QuestionAsked,
    Recorded,
    TaskFinished,
    TaskInstructed,
    TaskSubmitted,
)
from services.projector.projections.table import Row, Table, storable

MESSAGE = Table("message", ("task", "version"), ("task", "version", "role", "text", "at"))
FACTS = (
    ApprovalRequested,
    ApprovalAnswered,
    TaskSubmitted,
    TaskInstructed,
    InstructionEdited,
    InstructionWithdrawn,
    QuestionAsked,
    QuestionAnswered,
    ModelReplied,
    TaskFinished,
)


def project(recorded: Recorded) -> Sequence[Row]:
    """Project a message to a line of the conversation."""
    match recorded.event:
        case TaskSubmitted(prompt=text):
            return _line(recorded, "person", text)
        case TaskInstructed(text=text):
            return _line(recorded, "person", text)
        case InstructionEdited(instruction=instruction, text=text):
            return _changed(recorded, instruction, text)
        case InstructionWithdrawn(instruction=instruction):
            return _changed(recorded, instruction, "")
        case QuestionAsked(text=text):
            return _line(recorded, "question", text)
        case QuestionAnswered(text=text):
            return _line(recorded, "answer", text)
        case ApprovalRequested(title=title):
            return _line(recorded, "question", f"May I? {title}")
        case ApprovalAnswered(verdict=verdict, reason=reason):
            said_so = "Allowed." if verdict == "allow" else f"Not allowed. {reason}".strip()
            return _line(recorded, "answer", said_so)
        case ModelReplied(blocks=blocks):
            said = [str(b.get("text", "")) for b in blocks if b.get("type") == "text"]
            return _line(recorded, "agent", "\n\n".join(part for part in said if part))
        case TaskFinished(summary=text):
            return _line(recorded, "summary", text)
        case _:
            return []


def _line(recorded: Recorded, role: str, text: str) -> Sequence[Row]:
    if not text:
        return []
    return [
        Row(
            MESSAGE,
            {
                "task": recorded.task,
                "version": recorded.version,
                "role": role,
                "text": storable(text),
                "at": recorded.at,
            },
        )
    ]


def _changed(recorded: Recorded, instruction: int, text: str) -> Sequence[Row]:
    """Project the change of an instruction to the row that it has already."""
    values = {"task": recorded.task, "version": instruction, "text": storable(text)}
    return [Row(MESSAGE, values)]
