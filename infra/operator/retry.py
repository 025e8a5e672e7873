"""Reading a dead letter again, with the code of today.

The log is not changed by it and nobody is notified: what a reader passed over is applied where its
state comes from, and `REMEDIES` says how. Appending the event again would put it at another place.
"""

from collections.abc import Mapping
from functools import reduce
from typing import Any, Final, NamedTuple

from events import Recorded, history_of
from events.protocol import readers
from events.protocol.task_state import evolve
from infra.log.event_mac import header_block
from infra.log.jetstream import Connection, JetStreamLog
from infra.log.jetstream.dead_letters.letters import DeadLetter
from infra.log.jetstream.read.decode import InvalidEvent, read_event

REMEDIES: Final[Mapping[str, str]] = {
    readers.HISTORY: "The read models passed it over: `errand projector rebuild` brings it in.",
    readers.LIVE: "The projector's live states passed it over: restart it.",
    readers.SCHEDULER: "The scheduler passed it over: restart it, it reads the log from its start.",
}
_RESTART: Final = (
    "Restart the service that runs this reader: it folds the history again with its code of today. "
    "The task's owner then sends an instruction to go on."
)
_TASK_REMEDIES: Final[Mapping[str, str]] = {
    readers.HISTORY: (
        "The read models hold the broken state: `errand projector rebuild` folds it again."
    ),
}
_ANY_READER: Final = "That reader passed it over: let it read the log from {sequence} on."


class Reread(NamedTuple):
    """The event, if it can be read now; else why it cannot."""

    recorded: Recorded | None
    reason: str


async def read_again(connection: Connection, letter: DeadLetter) -> Reread:
    """Read the letter's event as readers do now: at its place in its history, else by itself.

    Raises Unavailable.
    """
    if letter.is_of_a_task:
        return await _fold_again(connection, letter)
    try:
        history = history_of(letter.subject)
    except ValueError as error:  # an advisory, which names no subject
        return Reread(None, str(error))
    for each in await JetStreamLog[Any](connection).read(history):
        if each.sequence == letter.sequence:
            return Reread(each, "")
    try:
        recorded = read_event(
            letter.subject,
            letter.sequence,
            letter.body,
            headers=header_block(letter.mac),
            proofs=connection.keys,
        )
    except InvalidEvent as error:
        return Reread(None, str(error))
    return Reread(
        None, f"version {recorded.version} is not the next of its history there, or it was erased"
    )


async def _fold_again(connection: Connection, letter: DeadLetter) -> Reread:
    """Fold a quarantined task's state with the code of today. The reader's own fold is its own."""
    events = await JetStreamLog[Any](connection).read(history_of(letter.subject))
    found = next((each for each in events if each.sequence == letter.sequence), None)
    if found is None:
        return Reread(None, "the event is not in its history any more")
    state = reduce(evolve, events, None)
    if state is not None and state.is_quarantined and state.failure is not None:
        return Reread(None, state.failure.detail)
    return Reread(found, "")


def remedy(letter: DeadLetter) -> str:
    """Return what lets the letter's reader have the event after all."""
    if letter.is_of_a_task:
        return _TASK_REMEDIES.get(letter.reader, _RESTART)
    return REMEDIES.get(letter.reader) or _ANY_READER.format(sequence=letter.sequence)
