"""The law of replay: a worker would write a history again just as it stands."""

from collections.abc import Sequence

from events import ModelReplied, Recorded
from services.worker.replay.check import first_divergence


def assert_replays(history: Sequence[Recorded]) -> None:
    """Fail with the first event that today's worker would not have written.

    A history with a reply that could not be fetched is left out: nothing can be said of it.
    """
    replies = [each.event for each in history if isinstance(each.event, ModelReplied)]
    if any(reply.blob and not reply.blocks for reply in replies):
        return
    found = first_divergence(history)
    assert found is None, f"{found}\n{[(each.version, type(each.event)) for each in history]}"
