"""The rules of a client: which events it applies, when it reconnects and when it stops."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.cli.protocol.reconnect_policy import (
    Position,
    StreamTimings,
    close_action,
    pause_seconds,
)


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (0, "come_back"),
        (1006, "come_back"),
        (1009, "stop"),
        (1012, "come_back"),
        (4001, "come_back"),
        (4009, "come_back"),
        (4499, "come_back"),
        (4005, "renew"),
        (4500, "stop"),
        (4504, "signed_out"),
        (4510, "stop"),
        (4999, "stop"),
        (5000, "come_back"),
    ],
)
def test_the_range_of_a_close_code_is_the_verdict(code: int, verdict: str) -> None:
    assert close_action(code) == verdict


@given(st.integers(1, 10**9), st.floats(0, 1))
def test_pauses_grow_to_the_longest_and_are_never_nothing(failures: int, chance: float) -> None:
    patience = StreamTimings()

    pause = pause_seconds(failures, patience, retry_ms=0, chance=chance)

    assert 0.5 <= pause <= patience.max_pause_seconds
    assert pause_seconds(failures + 1, patience, retry_ms=0, chance=chance) >= pause


def test_what_the_server_asks_for_goes_before() -> None:
    assert pause_seconds(9, StreamTimings(), retry_ms=1500, chance=0.3) == 1.5


@given(st.lists(st.integers(1, 12), max_size=80))
def test_whatever_comes_is_applied_once_and_in_order(versions: list[int]) -> None:
    position = Position("task", 0)

    applied = [version for version in versions if position.apply(version)]

    assert applied == list(range(1, len(applied) + 1))
    assert position.version == len(applied)


def test_after_a_gap_it_asks_once_until_that_is_answered() -> None:
    position = Position("task", 3)

    assert not position.ask_again(3)
    assert [position.ask_again(version) for version in (5, 6, 7)] == [True, False, False]
    assert position.apply(4)
    assert position.ask_again(9)
    position.answered()
    assert position.ask_again(9)
    position.lose()
    assert position.apply(1)
