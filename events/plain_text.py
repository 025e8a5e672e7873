r"""Text of agents, tools and repositories as people may see it: nothing hidden, nothing reordered.

Control characters, marks that reverse text, and characters without a shape are shown as escapes
(`\x1b`, `\u202e`). Joiners stay between the letters and emoji that need them, and a variation
selector after its symbol. The page of the gateway has the same table (services/gateway/http/pages).
"""

import re
from typing import Final

_JOINED: Final = (
    r"\u0590-\u1dff\u2190-\u2bff\u3030\u303d\u3297\u3299\ua840-\uabff\ufb1d-\ufdff\ufe0f"
    r"\ufe70-\ufefc\U00010800-\U00011fff\U0001f000-\U0001faff"
)
_SYMBOL: Final = r"#*0-9\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff"
_HIDDEN: Final = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    r"\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ue000-\uf8ff\ufe00-\ufe0f"
    r"\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U000110bd\U000110cd\U00013430-\U0001345f\U0001bca0-\U0001bca3"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e0fff\U000f0000-\U0010ffff"
)
_SHOWN: Final = re.compile(
    rf"(?<=[{_JOINED}])[\u200c\u200d](?=[{_JOINED}])|(?<=[{_SYMBOL}])[\ufe0e\ufe0f]|([{_HIDDEN}])"
)
_TITLE_CHARACTERS: Final = 80
_BYTE: Final = 0x100
_WIDE: Final = 0x10000


def title_of(text: str) -> str:
    """Make a title of a prompt: its first line with words on it, at most 80 characters."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "Untitled")
    return line if len(line) <= _TITLE_CHARACTERS else line[: _TITLE_CHARACTERS - 1].rstrip() + "…"


def plain(text: str) -> str:
    """Return text with everything that hides or reorders shown as an escape; line ends stay."""
    return _SHOWN.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    if found[1] is None:
        return found[0]
    code = ord(found[1])
    if code < _BYTE:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < _WIDE else f"\\U{code:08x}"
