"""A connection that loses, repeats or holds back what the server sends: deliveries and answers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from infra.jetstream import Connection

Fate = Literal["", "lost", "twice", "late"]
Choose = Callable[[str, bytes], Fate]
"""Decides by what a message wants answered ("$JS.ACK.…": a delivery; "": an answer) and holds."""


@contextmanager
def tampered(connection: Connection, choose: Choose) -> Iterator[list[Fate]]:
    """Let `choose` decide what becomes of each message; hands out the fates that befell any.

    "late" is delivered right behind the next message.
    """
    client: Any = connection.client
    pristine = client._process_msg
    befallen: list[Fate] = []
    held: list[tuple[Any, ...]] = []

    async def process(
        sid: int, subject: bytes, reply: bytes, payload: bytes, headers: bytes
    ) -> None:
        message = (sid, subject, reply, payload, headers)
        fate = choose(reply.decode(), payload)
        if fate:
            befallen.append(fate)
        if fate == "late":
            held.append(message)
            return
        for _ in range({"lost": 0, "twice": 2}.get(fate, 1)):
            await pristine(*message)
        while held:
            await pristine(*held.pop())

    client._process_msg = process
    try:
        yield befallen
    finally:
        client._process_msg = pristine


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
    """Whether this is the log's positive answer to an append."""
    return not reply and payload.startswith(b'{"stream":"EVENTS"') and b'"error"' not in payload


def is_delivery(text: str) -> Callable[[str, bytes], bool]:
    """Whether this is the delivery of an event that says the text."""
    said = f'"text":"{text}"'.encode()
    return lambda reply, payload: reply.startswith("$JS.ACK.") and said in payload
