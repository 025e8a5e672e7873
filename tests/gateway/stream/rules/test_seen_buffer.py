"""Cursors due to a device: none goes back, none is sent for nothing, and they are bounded."""

import secrets

from hypothesis import given
from hypothesis import strategies as st

from events.protocol.frames import MAX_FRAME_BYTES, MAX_SEEN_CURSORS, SeenCursors, encode
from services.gateway.stream.rules.seen_buffer import SeenBuffer, valid_cursors
from tests.kit.run.devices import new_history

TASKS = [str(new_history().task) for _ in range(3)]


def test_the_first_ones_are_sent_whole_even_when_there_are_none() -> None:
    buffer = SeenBuffer()
    assert buffer.take() == []
    assert buffer.put({}, is_first=True)

    assert buffer.take() == [SeenCursors({})]
    assert buffer.take() == []


def test_a_device_is_not_sent_what_it_said_or_was_sent() -> None:
    buffer = SeenBuffer()
    buffer.note({TASKS[0]: 5})

    assert not buffer.put({TASKS[0]: 5})
    assert buffer.put({TASKS[0]: 6, TASKS[1]: 1})
    assert buffer.take() == [SeenCursors({TASKS[0]: 6, TASKS[1]: 1})]
    assert not buffer.put({TASKS[0]: 6, TASKS[1]: 1})


cursors = st.dictionaries(st.sampled_from(TASKS), st.integers(1, 9), max_size=3)


@given(st.lists(st.tuples(st.sampled_from(["note", "put", "first", "take"]), cursors)))
def test_a_device_knows_the_highest_cursor_of_each_task_in_whatever_order_they_come(steps) -> None:
    buffer, device, highest = SeenBuffer(), {}, {}
    for kind, given_cursors in [*steps, ("take", {})]:
        if kind == "note":
            buffer.note(given_cursors)
            device |= {t: max(v, device.get(t, 0)) for t, v in given_cursors.items()}
        elif kind != "take":
            buffer.put(given_cursors, is_first=kind == "first")
        if kind != "take":
            highest |= {t: max(v, highest.get(t, 0)) for t, v in given_cursors.items()}
        else:
            for sent in buffer.take():
                device |= {t: max(v, device.get(t, 0)) for t, v in sent.cursors.items()}

    assert device == highest


def test_what_can_be_no_cursor_is_passed_over() -> None:
    said = {TASKS[0]: 3, TASKS[1]: 0, TASKS[2]: -1, "inbox": 4, "": 1, "task_x\x00": 1}

    assert valid_cursors(said) == {TASKS[0]: 3}
    assert valid_cursors({TASKS[0]: 2**53}) == {}


def test_no_device_can_make_a_frame_or_a_memory_grow() -> None:
    buffer = SeenBuffer()
    for _ in range(10):
        said = {"task_" + secrets.token_hex(13).translate(str.maketrans("0189", "abcd")): 2**53 - 1
                for _ in range(MAX_SEEN_CURSORS + 100)}  # fmt: skip
        assert len(valid_cursors(said)) == MAX_SEEN_CURSORS
        buffer.note(said)
        buffer.put(valid_cursors(said), is_first=True)

        [frame] = buffer.take()
        assert len(encode(frame)) < MAX_FRAME_BYTES
    assert len(buffer._known) <= 4 * MAX_SEEN_CURSORS
