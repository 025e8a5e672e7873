"""Text shown to people hides nothing, in the terminal and on the page alike."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import services.gateway.http.pages
from events.plain_text import plain

PAGE = Path(services.gateway.http.pages.__path__[0], "pair.html")
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


def test_the_page_shows_the_same_as_the_terminal():
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node to run the page's script with")
    page = PAGE.read_text()
    script = page[page.index("const JOINED") : page.index("const say")]
    code = "console.log(JSON.stringify(JSON.parse(process.argv[1]).map(plain)))"
    every = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    some = [text for text, _ in SHOWN] + ["a".join(every[n : n + 300]) for n in range(0, 5000, 300)]
    some += [f"a{each}" for each in every[0x1F00:0x3200:7] + every[0x10F00::4001]]
    asked = json.dumps(some)
    done = subprocess.run([node, "-e", f"{script};{code}", asked], capture_output=True, check=True)
    assert json.loads(done.stdout) == [plain(text) for text in some]


def test_every_text_of_others_goes_through_it():
    page = PAGE.read_text()
    script = page[page.index("const say") :]
    for shown in re.findall(r"textContent = ([^;]+);", script):
        assert shown.startswith(('"', "text", "plain(")), shown
