"""Rate limits per minute: counted, sent in every reply's headers, and enforced."""

from datetime import UTC, datetime, timedelta

from infra.runtime.clock import Clock
from infra.simulators.anthropic.api.errors import Refused
from infra.simulators.anthropic.billing.prompt_cache import InputTokens

INPUT_TOKENS_A_MINUTE = 1_000_000_000
OUTPUT_TOKENS_A_MINUTE = 1_000_000_000
_WINDOW = timedelta(minutes=1)


class Limits:
    """Usage of one key in this minute. Tokens read from the cache do not count."""

    def __init__(self, clock: Clock, *, requests_a_minute: int) -> None:
        self._clock = clock
        self._limits = {
            "requests": requests_a_minute,
            "input-tokens": INPUT_TOKENS_A_MINUTE,
            "output-tokens": OUTPUT_TOKENS_A_MINUTE,
        }
        self._used = dict.fromkeys(self._limits, 0)
        self._until = datetime.min.replace(tzinfo=UTC)

    def admit(self) -> None:
        """Count a request; refuses (429, with retry-after) one too many."""
        now = self._clock()
        if now >= self._until:
            self._until = now + _WINDOW
            self._used = dict.fromkeys(self._limits, 0)
        if self._used["requests"] >= self._limits["requests"]:
            seconds = max(1, round((self._until - now).total_seconds()))
            raise Refused(
                429,
                f"This request would exceed your rate limit of {self._limits['requests']} requests "
                "per minute.",
                headers={"retry-after": str(seconds)},
            )
        self._used["requests"] += 1

    def spend(self, prompt: InputTokens, output_tokens: int) -> None:
        """Count what a reply took."""
        self._used["input-tokens"] += prompt.fresh + prompt.written
        self._used["output-tokens"] += output_tokens

    def headers(self) -> dict[str, str]:
        """Return the anthropic-ratelimit-* headers."""
        reset = max(self._until, self._clock()).strftime("%Y-%m-%dT%H:%M:%SZ")
        told: dict[str, str] = {}
        for name, limit in self._limits.items():
            left = max(0, limit - self._used[name])
            told |= _told(name, limit, left, reset)
        total = INPUT_TOKENS_A_MINUTE + OUTPUT_TOKENS_A_MINUTE
        used = self._used["input-tokens"] + self._used["output-tokens"]
        return told | _told("tokens", total, max(0, total - used), reset)


def _told(name: str, limit: int, left: int, reset: str) -> dict[str, str]:
    start = f"anthropic-ratelimit-{name}"
    return {f"{start}-limit": str(limit), f"{start}-remaining": str(left), f"{start}-reset": reset}
