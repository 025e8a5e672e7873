from hypothesis import given
from hypothesis import strategies as st

from services.worker.agent.text.excerpt import LIMIT_BYTES, excerpt

LIMIT = 1000


@given(st.text(max_size=3000))
def test_what_is_told_fits_and_short_texts_are_whole(text):
    told, is_cut = excerpt(text, LIMIT)

    assert len(told.encode()) <= LIMIT
    assert is_cut == (len(text.encode()) > LIMIT)
    assert is_cut or told == text


def test_head_and_tail_are_cut_at_line_ends():
    text = "".join(f"line {number}\n" for number in range(10_000))

    told, is_cut = excerpt(text)

    assert is_cut
    assert len(told.encode()) <= LIMIT_BYTES
    head, tail = told.split("\n[… ")
    assert head.splitlines()[-1].startswith("line ")
    assert tail.splitlines()[-1] == "line 9999"
    assert tail.splitlines()[1].startswith("line ")
    assert "bytes left out" in told
