"""The client's rules of docs/reference/protocol.md: apply, reconnect or stop. Pure."""

from typing import Final, Literal, NamedTuple

from events.protocol import frames

_STOP_CODES: Final = frozenset((1002, 1007, 1009, *frames.STOP_CODES))  # and RFC 6455 §7.4.1
_MAX_DOUBLINGS: Final = 16

Verdict = Literal["come_back", "renew", "signed_out", "stop"]


class StreamTimings(NamedTuple):
    """Pauses and timeouts of a stream client; the interval of commands respects the rate limit."""

    min_pause_seconds: float = 1.0
    max_pause_seconds: float = 30.0
    command_interval_seconds: float = 0.06
    max_missed_pings: float = 2.5
    renew_margin_seconds: float = 60.0


class Position:
    """Position of this device in one task: the last version that was applied."""

    def __init__(self, task: str, version: int) -> None:
        self.task = task
        self.version = version
        self._is_asking = False

    def apply(self, version: int) -> bool:
        """Advance and return True if this version is the next one; return False otherwise."""
        if version != self.version + 1:
            return False
        self.version = version
        self._is_asking = False
        return True

    def ask_again(self, version: int) -> bool:
        """Return whether to send `sub` again, now that this version is known to exist.

        True only once until it is answered; items in flight are dropped meanwhile.
        """
        if version <= self.version or self._is_asking:
            return False
        self._is_asking = True
        return True

    def answered(self) -> None:
        """Record that the last `sub` was answered, or that the connection is new."""
        self._is_asking = False

    def lose(self) -> None:
        """Start again from version 0: the log was restored to an earlier state."""
        self.version = 0
        self._is_asking = False


def close_action(code: int) -> Verdict:
    """Return what a close code requires of the client; codes of Errand are decided by range."""
    if code == frames.TOKEN_EXPIRED:
        return "renew"
    if code == frames.REVOKED:
        return "signed_out"
    return "stop" if code in _STOP_CODES else "come_back"


def pause_seconds(failures: int, timings: StreamTimings, *, retry_ms: int, chance: float) -> float:
    """Return the pause before reconnecting after this many consecutive failures (1 and up).

    `retry_ms` is what the server asked for, 0 if nothing; `chance` is random between 0 and 1, so
    that clients disconnected together do not reconnect together.
    """
    if retry_ms:
        return retry_ms / 1000
    doubled = timings.min_pause_seconds * 2.0 ** min(failures - 1, _MAX_DOUBLINGS)
    return min(doubled, timings.max_pause_seconds) * (0.5 + chance / 2)
