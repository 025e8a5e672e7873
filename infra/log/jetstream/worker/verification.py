"""Proof of the control plane's events for a worker, who has no key: the gateway is asked.

What carries a MAC is shown to whoever has the keys, without its body: place, version, MAC and
digest are what the MAC is over. A worker's own events carry none, and nobody is asked about them.
"""

from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from events import Recorded
from events.protocol.broker import SignedEvent
from infra.log.event_mac import parse_mac, read_mac, writer_of
from infra.log.jetstream.connection.client import DeliveredMessage

Verify = Callable[[Sequence[SignedEvent]], Awaitable[Sequence[bool]]]
"""Returns for each event whether its MAC is genuine. Raises Unavailable without an answer."""


class _Version(msgspec.Struct, frozen=True):
    """The part of a body that is read; the gateway refuses questions about any other version."""

    version: Annotated[int, Meta(ge=1, lt=2**31)]


_versions: Final = msgspec.json.Decoder(_Version)


class VerifiedWriters:
    """The writer of each event, by sequence, as far as the gateway has confirmed it."""

    def __init__(self, verify: Verify) -> None:
        self._verify = verify
        self._writers: dict[int, str] = {}

    async def learn(self, deliveries: Sequence[DeliveredMessage]) -> None:
        """Ask about what carries a MAC, all at once. Raises Unavailable."""
        signed = [event for each in deliveries if (event := _signed(each)) is not None]
        if not signed:
            return
        answers = await self._verify(signed)
        for event, is_genuine in zip(signed, answers, strict=True):
            if is_genuine and (mac := parse_mac(event.mac)):
                self._writers[event.sequence] = mac.writer

    def objection(self, _subject: str, recorded: Recorded, headers: bytes) -> str:
        """Return why the event is not proven; empty when it is, or needs no proof."""
        writer = writer_of(recorded.event)
        confirmed = self._writers.pop(recorded.sequence, "")
        if writer is None or confirmed == writer:
            return ""
        mac = read_mac(headers)
        return mac if isinstance(mac, str) else "the gateway does not confirm it"


def _signed(delivered: DeliveredMessage) -> SignedEvent | None:
    mac = read_mac(delivered.headers)
    if isinstance(mac, str):
        return None
    try:
        version = _versions.decode(delivered.body).version
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None  # whoever reads it says what is wrong with it
    digest = sha256(delivered.body).digest()
    return SignedEvent(delivered.sequence, version, mac.text, digest)
