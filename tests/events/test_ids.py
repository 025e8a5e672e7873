"""Ids: their shapes, and what they are derived from."""

import re
from uuid import RFC_4122

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import (
    AccountId,
    CallId,
    CommandId,
    History,
    TaskId,
    event_id,
    event_subject,
    heartbeat_subject,
    history_of,
    live_subject,
    request_id,
    task_id,
    uuid7,
)

milliseconds = st.integers(0, 2**48 - 1)
entropy = st.binary(min_size=10, max_size=10)
TOKEN = re.compile(r"[a-z0-9_]+")


@given(milliseconds, entropy)
def test_a_uuid7_has_its_version_its_variant_and_its_time(time: int, chance: bytes) -> None:
    made = uuid7(time, chance)

    assert made.version == 7
    assert made.variant == RFC_4122
    assert made.int >> 80 == time


@given(milliseconds, milliseconds, entropy, entropy)
def test_a_later_uuid7_is_greater(one: int, other: int, chance: bytes, more: bytes) -> None:
    if one < other:
        assert uuid7(one, chance) < uuid7(other, more)


@given(st.binary(max_size=20).filter(lambda b: len(b) != 10))
def test_a_uuid7_wants_ten_random_bytes(chance: bytes) -> None:
    with pytest.raises(ValueError, match="10 random bytes"):
        uuid7(0, chance)


@given(milliseconds, entropy)
def test_an_event_id_is_a_token(time: int, chance: bytes) -> None:
    assert re.fullmatch(r"evt_[a-z2-7]{26}", event_id(time, chance))


@given(milliseconds, entropy)
def test_74_random_bits_tell_the_event_ids_of_one_moment_apart(time: int, chance: bytes) -> None:
    telling = [
        bit for bit in range(80) if event_id(time, flipped(chance, bit)) != event_id(time, chance)
    ]
    others = {event_id(time, flipped(chance, bit)) for bit in telling}
    assert len(telling) == len(others) == 74


def flipped(chance: bytes, bit: int) -> bytes:
    return (int.from_bytes(chance, "big") ^ 1 << bit).to_bytes(10, "big")


@given(st.text(), st.text())
def test_derived_ids_are_tokens_and_always_the_same(one: str, other: str) -> None:
    task = task_id(AccountId(one), CommandId(other))
    request = request_id(TaskId(one), CallId(other))

    assert re.fullmatch(r"task_[a-z2-7]{26}", task)
    assert re.fullmatch(r"req_[a-z2-7]{26}", request)
    assert task == task_id(AccountId(one), CommandId(other))
    assert request == request_id(TaskId(one), CallId(other))


def test_two_accounts_with_the_same_command_have_two_tasks() -> None:
    command = CommandId("0198c5a2-6b1e-7d3f-9a51-3c6f0d2b8e11")

    assert task_id(AccountId("acc_a"), command) != task_id(AccountId("acc_b"), command)


@given(st.from_regex(TOKEN, fullmatch=True), st.from_regex(TOKEN, fullmatch=True))
def test_a_history_comes_back_from_each_of_its_subjects(account: str, task: str) -> None:
    history = History(AccountId(account), TaskId(task))

    for subject in (event_subject(history), heartbeat_subject(history), live_subject(history)):
        assert history_of(subject) == history


@pytest.mark.parametrize(
    "subject", ["", "events", "events.a", "events.a.b.c", "dead.a.b", "$JS.API.x", "Events.a.b"]
)
def test_another_subject_is_refused(subject: str) -> None:
    with pytest.raises(ValueError, match="not a task's subject"):
        history_of(subject)
