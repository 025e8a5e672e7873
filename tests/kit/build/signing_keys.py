"""The keys of the log's writers: what tests sign with, and what a worker asks of the gateway."""

from collections.abc import Sequence

from events import History, event_subject
from events.protocol.broker import SignedEvent
from infra.log.event_mac import KEY_BYTES, WRITERS, EventKeys, format_key, parse_mac
from infra.log.jetstream import Verify

KEYS_TEXT = " ".join(format_key(w, "1", bytes([n]) * KEY_BYTES) for n, w in enumerate(WRITERS))
"""EVENT_KEYS where any will do."""


def verifying(keys: EventKeys, history: History) -> Verify:
    """Judge a history's events as the gateway does for a worker."""

    async def verify(events: Sequence[SignedEvent]) -> Sequence[bool]:
        subject = event_subject(history)
        macs = [(parse_mac(event.mac), event) for event in events]
        return [
            mac is not None and not keys.mac_objection(mac, subject, e.version, e.digest)
            for mac, e in macs
        ]

    return verify
