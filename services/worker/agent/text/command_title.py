r"""Title of a script: its purpose in a few words, when that can be said of all of it. Pure.

A script is named only when it is one command that everybody knows, with nothing in it that could do
anything else: no pipe, list, substitution, redirection, comment or quote, and no option but well
known ones. `cd` before it is allowed. Everything else is shown as it is written.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from services.worker.agent.approvals.shell_parser import UnreadableScript, simple_commands

_LINE_CHARACTERS: Final = 120
_NAMES_CHARACTERS: Final = 40
_WHOLE: Final = re.compile(r"[ \t]*(?:cd +[\w./-]+ +&& +)?([\w./=:@+,\[\]~ \t-]+?)[ \t\n]*")
_COUNT: Final = re.compile(r"-\d+")


class _Known(NamedTuple):
    purpose: str
    options: frozenset[str] = frozenset()
    takes_words: bool = True


_TESTS: Final = "Run the tests"
_CHANGES: Final = "Look at what changed"
_PYTEST: Final = _Known(
    _TESTS, frozenset({"-q", "-qq", "-v", "-vv", "-x", "-s", "-rA", "--tb=short", "--tb=line"})
)
_UNITTEST: Final = _Known(_TESTS, frozenset({"-q", "-v", "-f", "--verbose", "--failfast"}))
_STAT: Final = frozenset({"--stat", "--cached", "--staged", "--name-only", "--name-status", "--"})
_KNOWN: Final[Mapping[Sequence[str], _Known]] = {
    ("pytest",): _PYTEST,
    ("python", "-m", "pytest"): _PYTEST,
    ("python3", "-m", "pytest"): _PYTEST,
    ("python", "-m", "unittest"): _UNITTEST,
    ("python3", "-m", "unittest"): _UNITTEST,
    ("npm", "test"): _Known(_TESTS, takes_words=False),
    ("npm", "run", "test"): _Known(_TESTS, takes_words=False),
    ("yarn", "test"): _Known(_TESTS, takes_words=False),
    ("pnpm", "test"): _Known(_TESTS, takes_words=False),
    ("go", "test"): _Known(_TESTS, frozenset({"-v", "-race", "-short", "-count=1"})),
    ("cargo", "test"): _Known(_TESTS, frozenset({"-q", "--quiet", "--workspace", "--all"})),
    ("make", "test"): _Known(_TESTS, takes_words=False),
    ("git", "status"): _Known(_CHANGES, frozenset({"-s", "-sb", "--short", "--porcelain"})),
    ("git", "diff"): _Known(_CHANGES, _STAT),
    ("git", "log"): _Known(
        "Read the project's history", _STAT | {"--oneline", "-p", "--graph", "--all"}
    ),
}


def purpose_of(script: str) -> str:
    """Return what a script is for; empty when that cannot be said of all of it."""
    whole = _WHOLE.fullmatch(script)
    words = whole[1].split() if whole else []
    for size in (3, 2, 1):
        known = _KNOWN.get(tuple(words[:size]))
        if known is not None:
            return known.purpose if all(_is_plain(word, known) for word in words[size:]) else ""
    return ""


def shown_in_a_line(script: str) -> str:
    """Return the script in one line; of one too long, its beginning and all that it runs."""
    lines = [line.strip() for line in script.strip().split("\n")]
    line = f"$ {' ⏎ '.join(filter(None, lines))}"
    if len(line) <= _LINE_CHARACTERS:
        return line
    names = _programs(script)
    room = _LINE_CHARACTERS - len(names) - (len("… ") if names else len("…"))
    return f"{line[:room]}… {names}".rstrip()


def _is_plain(word: str, known: _Known) -> bool:
    if word.startswith("-"):
        return word in known.options or _COUNT.fullmatch(word) is not None
    return known.takes_words and "=" not in word


def _programs(script: str) -> str:
    """Name the programs of a script in brackets, as many as there is room for."""
    try:
        names = list(dict.fromkeys(command.program for command in simple_commands(script)))
    except UnreadableScript:
        return "[cannot be read beforehand]"
    shown: list[str] = []
    for name in names:
        if sum(map(len, shown)) + len(name) > _NAMES_CHARACTERS:
            shown.append("and more")
            break
        shown.append(name)
    return f"[{', '.join(shown)}]" if len(names) > 1 else ""
