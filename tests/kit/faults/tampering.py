"""A connection that loses, repeats or holds back what the server sends: deliveries and answers."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

from infra.log.jetstream import Connection
from infra.log.jetstream.connection.client import DeliveredMessage, OnDeliveries

M = TypeVar("M")

Fate = Literal["", "lost", "twice", "late"]
Choose = Callable[[str, bytes], Fate]
"""Decides by what a message wants answered ("$JS.ACK.…": a delivery; "": an answer) and holds."""


@contextmanager
def tampered(connection: Connection, choose: Choose) -> Iterator[list[Fate]]:
    """Let `choose` decide what becomes of each message; hands out the fates that befell any.

    "late" is delivered right behind the next message of its kind.
    """
    client: Any = connection.client
    process, takers = client._process_msg, client.on_deliveries
    befallen: list[Fate] = []
    late_deliveries: list[DeliveredMessage] = []
    late_answers: list[tuple[Any, ...]] = []

    def arriving(message: M, reply: str, payload: bytes, late: list[M]) -> list[M]:
        fate = choose(reply, payload)
        if fate:
            befallen.append(fate)
        if fate == "late":
            late.append(message)
            return []
        behind = list(late)
        late.clear()
        return [message] * {"lost": 0, "twice": 2}.get(fate, 1) + behind

    async def tampering_process(
        sid: int, subject: bytes, reply: bytes, payload: bytes, headers: bytes
    ) -> None:
        message = (sid, subject, reply, payload, headers)
        for each in arriving(message, reply.decode(), payload, late_answers):
            await process(*each)

    class TamperingTakers(dict[int, OnDeliveries]):
        def get(self, sid: int, default: Any = None) -> Any:
            take = super().get(sid)
            if take is None:
                return default

            def tampering_take(run: Sequence[DeliveredMessage]) -> None:
                for one in run:
                    if come := arriving(one, "$JS.ACK.", one.body, late_deliveries):
                        take(come)

            return tampering_take

    client._process_msg, client.on_deliveries = tampering_process, TamperingTakers(takers)
    try:
        yield befallen
    finally:
        client._process_msg, client.on_deliveries = process, dict(client.on_deliveries)


def once(fate: Fate, where: Callable[[str, bytes], bool]) -> Choose:
    """Let the fate befall the first message for which `where` is true."""
    left = 1

    def choose(reply: str, payload: bytes) -> Fate:
        nonlocal left
        if left and where(reply, payload):
            left -= 1
            return fate
        return ""

    return choose


def is_ack(reply: str, payload: bytes) -> bool:
    """Return whether this is the log's positive answer to an append."""
    return not reply and payload.startswith(b'{"stream":"EVENTS"') and b'"error"' not in payload


def is_delivery(text: str) -> Callable[[str, bytes], bool]:
    """Return a test for the delivery of an event with this text."""
    said = f'"text":"{text}"'.encode()
    return lambda reply, payload: reply.startswith("$JS.ACK.") and said in payload
