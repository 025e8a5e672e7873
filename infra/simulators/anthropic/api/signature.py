"""Signatures of thinking blocks: bound to the model, to all that came before, and to the thought.

Source: Anthropic's documentation of extended thinking: a thinking block that was altered, moved to
another model, or whose earlier conversation was rewritten is refused with 400. How messages are cut
is not part of the conversation: bare strings count as text blocks, neighbours of one role as one
message, and cache marks do not count.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from typing import Any

from infra.simulators.anthropic.api.errors import invalid
from infra.simulators.anthropic.billing.tokens import blocks_of, canonical

_PREFIX = "rehearsal.1."

JsonObject = dict[str, Any]


class Seal:
    """Signs thoughts and knows its own signatures again."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(b"errand rehearsal signature\n" + secret.encode()).digest()

    def sign(self, model: str, messages: Sequence[JsonObject], thinking: str) -> str:
        """Sign the thought which opens the reply to `messages`; an unshown thought is ""."""
        running = _Conversation(model)
        for message in messages:
            for block in blocks_of(message["content"]):
                running.add(message["role"], block)
        return self._signature(running, thinking)

    def check(self, model: str, messages: Sequence[JsonObject]) -> None:
        """Refuse (400) the first thinking block that is not as it was given."""
        running = _Conversation(model)
        for index, message in enumerate(messages):
            for place, block in enumerate(blocks_of(message["content"])):
                where = f"messages.{index}.content.{place}"
                if block.get("type") == "redacted_thinking":
                    raise invalid(where, "Invalid `data` in `redacted_thinking` block")
                if block.get("type") == "thinking":
                    expected = self._signature(running, block["thinking"])
                    if not hmac.compare_digest(
                        expected.encode(), block["signature"].encode(errors="replace")
                    ):
                        raise invalid(where, "Invalid `signature` in `thinking` block")
                running.add(message["role"], block)

    def _signature(self, before: "_Conversation", thinking: str) -> str:
        mac = hmac.new(self._key, digestmod=hashlib.sha256)
        mac.update(before.digest())
        mac.update(thinking.encode(errors="surrogatepass"))
        return _PREFIX + base64.b64encode(mac.digest()).decode()


class _Conversation:
    """A running digest of what was said, in whose role."""

    def __init__(self, model: str) -> None:
        self._running = hashlib.sha256(model.encode())
        self._role = ""

    def add(self, role: str, block: JsonObject) -> None:
        for part in _parts(role if role != self._role else "", canonical(block)):
            self._running.update(part)
        self._role = role

    def digest(self) -> bytes:
        return self._running.digest()


def _parts(role: str, content: bytes) -> Iterable[bytes]:
    yield role.encode()
    yield len(content).to_bytes(8, "big")
    yield content
