"""Names and frames between the projector and the gateways."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import AccountId, History, TaskId
from infra.stores.live_channels import Frame, feed_channel, inbox_channel, pack, state_key, unpack


@given(st.integers(0, 2**64 - 1), st.binary(max_size=200))
def test_a_frame_comes_back_from_its_bytes(version: int, body: bytes) -> None:
    assert unpack(pack(Frame(version, body))) == Frame(version, body)


@given(st.binary(max_size=7))
def test_a_message_too_short_for_a_version_is_refused(message: bytes) -> None:
    with pytest.raises(struct.error):
        unpack(message)


def test_no_two_accounts_share_a_channel() -> None:
    task = TaskId("task_1")
    mine, theirs = History(AccountId("acc_1"), task), History(AccountId("acc_2"), task)

    assert feed_channel(mine) != feed_channel(theirs)
    assert len({feed_channel(mine), inbox_channel(mine.account), state_key(task)}) == 3
