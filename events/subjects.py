"""NATS subjects: one exact subject per task, so that an append can be guarded."""

from functools import lru_cache
from typing import Final

from events.ids import AccountId, TaskId
from events.record import History

EVENTS = "events"
BEAT = "beat"
LIVE = "live"

_KNOWN_HISTORIES: Final = 10_000


def event_subject(history: History) -> str:
    """Return the subject that holds one history."""
    return f"{EVENTS}.{history.account}.{history.task}"


def heartbeat_subject(history: History) -> str:
    """Return the subject of a worker's heartbeats; nothing published there is stored."""
    return f"{BEAT}.{history.account}.{history.task}"


def live_subject(history: History) -> str:
    """Return the subject of token deltas and running output; nothing published there is stored."""
    return f"{LIVE}.{history.account}.{history.task}"


@lru_cache(_KNOWN_HISTORIES)
def history_of(subject: str) -> History:
    """Read account and task back from any of the three. Raises ValueError on another shape."""
    parts = subject.split(".")
    if len(parts) != 3 or parts[0] not in (EVENTS, BEAT, LIVE):  # noqa: PLR2004 - kind, account, task
        raise ValueError(f"not a task's subject: {subject}")
    return History(AccountId(parts[1]), TaskId(parts[2]))
