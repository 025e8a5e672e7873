"""Token bucket: the rate at which a device may send commands. Pure."""


class TokenBucket:
    """So many per second, and a burst after a pause."""

    def __init__(self, *, at_once: int, a_second: float, now: float) -> None:
        self._most = float(at_once)
        self._a_second = a_second
        self._left = self._most
        self._at = now

    def spend(self, now: float) -> bool:
        """Take one token; False when none is left. `now` is monotonic, in seconds."""
        self._left = min(self._most, self._left + (now - self._at) * self._a_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
