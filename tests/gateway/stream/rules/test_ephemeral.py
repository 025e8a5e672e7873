"""Pieces that pass: bounded for a device that does not keep up, and its newest is what it gets."""

import msgspec

from services.gateway.stream.rules.ephemeral import EphemeralBuffer, EphemeralItem, read_ephemeral


def piece(offset: int, text: str, block: str = "1.0") -> EphemeralItem:
    item = {"t": "eph", "task": "task_1", "kind": "text", "block": block, "offset": offset}
    passing = read_ephemeral(msgspec.json.encode({**item, "text": text}))
    assert passing is not None
    return passing


def test_pieces_of_a_block_are_kept_in_order() -> None:
    waiting = EphemeralBuffer()
    pieces = [piece(0, "a"), piece(1, "b"), piece(2, "c")]
    for one in pieces:
        waiting.put(one)

    assert list(waiting.take()) == [one.item for one in pieces]
    assert list(waiting.take()) == []


def test_who_does_not_keep_up_gets_the_newest_of_each_block_and_sees_the_hole() -> None:
    waiting = EphemeralBuffer()
    for number in range(100):
        waiting.put(piece(number * 1000, "x" * 1000))
    waiting.put(piece(0, "other", block="2.0"))

    taken = [msgspec.json.decode(item) for item in waiting.take()]

    assert sum(len(one["text"]) for one in taken) < 20_000
    own = [one for one in taken if one["block"] == "1.0"]
    assert own[-1]["offset"] == 99_000
    assert own[0]["offset"] > 0
    assert taken[-1]["text"] == "other"


def test_no_number_of_blocks_is_too_many() -> None:
    waiting = EphemeralBuffer()
    for number in range(1000):
        waiting.put(piece(0, "x", block=str(number)))

    assert len(list(waiting.take())) == 64


def test_what_is_no_piece_is_none() -> None:
    for nonsense in (b"", b"\xff", b"[" * 5000, b"{}", b'{"t":"eph","task":3}'):
        assert read_ephemeral(nonsense) is None
