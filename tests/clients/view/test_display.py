"""Text shown to people in the terminal hides nothing; the web app has the same table."""

import pytest

from events.plain_text import plain

SHOWN = [
    ("rm -rf \u202etxt.exe", r"rm -rf \u202etxt.exe"),
    ("a\u2066b\u2069c\u200ed\u200f", r"a\u2066b\u2069c\u200ed\u200f"),
    ("\x1b]8;;http://x\x07link\x1b]8;;\x07", r"\x1b]8;;http://x\x07link\x1b]8;;\x07"),
    ("\x9b31mred\x00\x7f\b", r"\x9b31mred\x00\x7f\x08"),
    ("one\u2028two\u2029three\x85four\x0bfive\x0c", r"one\u2028two\u2029three\x85four\x0bfive\x0c"),
    ("pass\u200bword\u2060\ufeff\u00ad", r"pass\u200bword\u2060\ufeff\xad"),
    ("r\u200dm", r"r\u200dm"),
    ("\u200c\u200c", r"\u200c\u200c"),
    ("tag\U000e0061\U000e0062", r"tag\U000e0061\U000e0062"),
    ("x\ufe0f\ufe01\U000e0100", r"x\ufe0f\ufe01\U000e0100"),
    ("\u3164\u115f\ue000\ufff9\u034f", r"\u3164\u115f\ue000\ufff9\u034f"),
    ("50%\r100%\r\n", "50%\\x0d100%\\x0d\n"),
    ("می\u200cخواهم", None),  # noqa: RUF001
    ("क्\u200dष", "क्\u200dष"),
    ("👨\u200d👩\u200d👧\u200d👦 👩🏽\u200d💻 ❤️\u200d🔥 🏳️\u200d🌈 1️⃣", None),
    ("naïve Ελληνικά עברית العربية 日本語 e\u0301 tab\there\nnext", None),
]


@pytest.mark.parametrize(("text", "shown"), SHOWN)
def test_what_hides_is_shown_as_an_escape(text, shown):
    assert plain(text) == (text if shown is None else shown)
    assert plain(plain(text)) == plain(text)
