"""Read model `usage`: cost of each model reply and summary, in millionths of a US dollar."""

from collections.abc import Sequence

from events import ContextCompacted, ModelReplied, Recorded
from services.projector.projections.table import Row, Table

USAGE = Table(
    "usage",
    ("task", "version"),
    (
        "task",
        "version",
        "account",
        "model",
        "turn",
        "input_tokens",
        "output_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "cost_microusd",
        "at",
    ),
    grows_only=True,
)
FACTS = (ModelReplied, ContextCompacted)


def project(recorded: Recorded) -> Sequence[Row]:
    """Project what was paid for to a line of the ledger."""
    match recorded.event:
        case (
            ModelReplied(turn=turn, model=model, usage=usage, cost_microusd=cost)
            | ContextCompacted(turn=turn, model=model, usage=usage, cost_microusd=cost)
        ):
            values = {
                "task": recorded.task,
                "version": recorded.version,
                "account": recorded.account,
                "model": model,
                "turn": turn,
                "input_tokens": usage.input_tokens,
                "output_tokens": usage.output_tokens,
                "cache_creation_input_tokens": usage.cache_creation_input_tokens,
                "cache_read_input_tokens": usage.cache_read_input_tokens,
                "cost_microusd": cost,
                "at": recorded.at,
            }
            return [Row(USAGE, values)]
        case _:
            return []
