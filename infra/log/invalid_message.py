"""A stored message that is not an event, as a reader reports it."""

from typing import NamedTuple

from events import History


class InvalidMessage(NamedTuple):
    """A message in a history that is not an event; `is_forged` if it claims to be one.

    Then it names the control plane as its writer, and is not proven to be.
    """

    history: History
    sequence: int
    size_bytes: int
    reason: str
    is_forged: bool = False
