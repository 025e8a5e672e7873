"""The client's rules of docs/reference/protocol.md: apply, reconnect or stop. Pure."""

from typing import Final, Literal, NamedTuple

_TOKEN_EXPIRED: Final = 4005
_REVOKED: Final = 4504
_FINAL: Final = frozenset((1002, 1007, 1009, *range(4500, 5000)))
_MOST_DOUBLINGS: Final = 16

Verdict = Literal["come_back", "renew", "signed_out", "stop"]


class Patience(NamedTuple):
    """How long a client waits, in seconds; commands leave so far apart that none is too many."""

    first_pause_seconds: float = 1.0
    longest_pause_seconds: float = 30.0
    between_commands_seconds: float = 0.06
    silent_beats: float = 2.5
    renew_before_seconds: float = 60.0


class Position:
    """How far this device has come in one task: the last version that was applied."""

    def __init__(self, task: str, version: int) -> None:
        self.task = task
        self.version = version
        self._is_asking = False

    def apply(self, version: int) -> bool:
        """Tell whether an event of this version is to be applied now; if so, move on."""
        if version != self.version + 1:
            return False
        self.version = version
        self._is_asking = False
        return True

    def ask_again(self, version: int) -> bool:
        """Tell whether to `sub` again, knowing that there is this version.

        Once: what is still on its way from before is dropped meanwhile.
        """
        if version <= self.version or self._is_asking:
            return False
        self._is_asking = True
        return True

    def answered(self) -> None:
        """Take note that the last `sub` was answered, or that there is a new connection."""
        self._is_asking = False

    def lose(self) -> None:
        """Begin anew: the log is not what it was."""
        self.version = 0
        self._is_asking = False


def judge(code: int) -> Verdict:
    """Tell what a close code asks of the client; of ours, the range is the verdict."""
    if code == _TOKEN_EXPIRED:
        return "renew"
    if code == _REVOKED:
        return "signed_out"
    return "stop" if code in _FINAL else "come_back"


def pause_seconds(failures: int, patience: Patience, *, retry_ms: int, chance: float) -> float:
    """Tell how long to stay away after so many failures in a row (1 and up).

    `retry_ms` is what the server asked for, 0 if nothing; `chance` is between 0 and 1, so that
    clients that were cut off together do not come back together.
    """
    if retry_ms:
        return retry_ms / 1000
    doubled = patience.first_pause_seconds * 2.0 ** min(failures - 1, _MOST_DOUBLINGS)
    return min(doubled, patience.longest_pause_seconds) * (0.5 + chance / 2)
