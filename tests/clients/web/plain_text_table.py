"""Write what events/plain_text.py does with every code point, for the web app's test of its twin.

`python -m tests.clients.web.plain_text_table` writes clients/web/test/plain_text.json.
"""

import json
from collections.abc import Callable
from typing import Final

from events.plain_text import plain
from tests.kit.paths import ROOT

TABLE: Final = ROOT / "clients" / "web" / "test" / "plain_text.json"
_JOINER: Final = "\u200d"
_SELECTOR: Final = "\ufe0f"


def table() -> dict[str, list[list[int]]]:
    """Return the code points, as ranges, that are hidden, that joiners stay between, and so on."""
    return {
        "hidden": _ranges(lambda character: plain(character) != character),
        "joined": _ranges(lambda character: _JOINER in plain(character + _JOINER + character)),
        "selected": _ranges(lambda character: _SELECTOR in plain(character + _SELECTOR)),
    }


def _ranges(is_in: Callable[[str], bool]) -> list[list[int]]:
    ranges: list[list[int]] = []
    for code in range(0x110000):
        if not is_in(chr(code)):
            continue
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return ranges


if __name__ == "__main__":
    TABLE.write_text(json.dumps(table()) + "\n")
