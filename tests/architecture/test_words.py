"""Names, docstrings and documents use the plain words of the field; folders stay small."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.kit.paths import ROOT

MAX_ENTRIES = 14
# One folder for each of the source, and one for each kind of test beside them.
CROWDED = {"tests"}
FOLDERS = ("events", "services", "infra", "clients", "tests", "docs")
SKIPPED = {"samples", "golden", "schemas", "decisions", "__pycache__", "node_modules"}
WORDS = (
    *("mend", "mends", "mended", "mending", "anew", "whither", "thither", "lent", "weather"),
    *("eldest", "dearest", "heed", "heeds", "misfortune", "illegible", "legible", "farewell"),
    *("stirs", "stirred", "nought", "wherein", "whereof", "thereof"),
    *("the like of", "a word to", "out of sight", "came to nothing", "come to nothing"),
    *("this house", "the house", "houses", "say more", "ask for work", "ways_in"),
    *("(for|no|of|person's|your) leave", "did not serve"),
)
COMPILED = tuple(ROOT / "clients" / "web" / name for name in ("build", "dist"))
# Also as a part of a name: `begins_anew`.
REFUSED_WORD = re.compile(
    r"(?<![a-z])(" + "|".join(WORDS).replace(" ", "[ _]") + r")(?![a-z])|\bis told\b", re.IGNORECASE
)
REFUSED_NAME = re.compile(
    r"\b_?(MOST|LONGEST|LARGEST|LEAST)_[A-Z]|\b(_patiently|_insist|_suffer)\b"
    r"|\b[A-Z_]*_AN?_(ACCOUNT|PERSON|TASK|PROCESS|HOUR|ROUND|TOKEN|PHONE)\b"
    r"|\b(?<!['\"])_?house\b(?!['\"])|\b(wish|wishes|deed|deeds|office|tales?)\b"
)
REFUSED_TYPE = re.compile(
    r"\bclass _?(Asked|Told|Kept|Made|Given|Taken|Gone|Heard|Said|Sent|Done|Found"
    r"|House|Room|Office|Deed|Tale|Wish|Purse|Payer|Broke|Sieve|Scribe|Shelf)\b"
)
REFUSED_START = re.compile(
    r'"""(Tell|Say|Spell|What|Whether|Who|How|Which|Where|When|Why|Whom|Whose|Let go)\b'
)
REFUSED_RATE = re.compile(
    r"\b(one|two|three|five|fifty|\d[\d,]*|commands|events|requests|times|items) an? "
    r"(second|minute|hour|line|row|task|attempt|account|person|process|phone|frame|stream)\b(?!,)"
)
REFUSED_REFERENCE = re.compile(
    r"\b(events|apis|gateway|worker|security|machines|hosting|environments|phone|targets)\.md §"
    r"|\blaw \d|\bissue \d"
)
PATTERNS = (
    *(REFUSED_WORD, REFUSED_NAME, REFUSED_TYPE, REFUSED_START, REFUSED_RATE),
    REFUSED_REFERENCE,
)
LOG_CALL = re.compile(r'_(?:log|LOG)\.(?:debug|info|warning|error|exception)\(\s*"([^"]*)"')
DOTTED = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+")


def is_kept(path: Path) -> bool:
    """Return whether a file is looked at; this one is not, as it must name what it refuses."""
    is_skipped = SKIPPED & set(path.parts) or path == Path(__file__)
    is_skipped = is_skipped or any(path.is_relative_to(folder) for folder in COMPILED)
    return not is_skipped and path.suffix in {".py", ".md", ".js", ".html"}


def offences(text: str) -> list[str]:
    found = [match[0] for pattern in PATTERNS for match in pattern.finditer(text)]
    return found + [key for key in LOG_CALL.findall(text) if not DOTTED.fullmatch(key)]


def texts() -> list[Path]:
    folders = [path for top in FOLDERS for path in (ROOT / top).rglob("*") if is_kept(path)]
    return folders + [path for path in ROOT.glob("*.md") if path.name != "CHANGELOG.md"]


def pure_modules() -> list[str]:
    text = (ROOT / "pyproject.toml").read_text()
    contract = text.partition('name = "the cores are pure"')[2].partition("forbidden_modules")[0]
    return re.findall(r'"([a-z_.0-9]+)"', contract)


def says_pure(path: Path) -> bool:
    return bool(re.search(r"\bPure\b", ast.get_docstring(ast.parse(path.read_text())) or ""))


def entries() -> Counter[str]:
    seen = {
        (str(parent.relative_to(ROOT)), child)
        for path in texts()
        for child, parent in zip([path, *path.parents], path.parents, strict=False)
        if parent.is_relative_to(ROOT) and parent != ROOT and child.name != "__init__.py"
    }
    return Counter(parent for parent, _ in seen)


def test_names_and_texts_use_plain_words():
    found = [f"{p.relative_to(ROOT)}: {x}" for p in texts() for x in offences(p.read_text())]
    assert not found, "Use the plain words of the field."


def test_a_module_that_says_it_is_pure_stands_in_a_pure_folder():
    pure = tuple(f"{ROOT}/{module.replace('.', '/')}" for module in pure_modules())
    assert pure
    outside = {
        str(path.relative_to(ROOT))
        for path in texts()
        if path.suffix == ".py" and "tests" not in path.parts and says_pure(path)
        if not str(path.with_suffix("")).startswith(pure)
    }
    assert not outside, "Only modules that a contract keeps pure say so."


def test_no_folder_has_too_many_entries():
    crowded = {name for name, count in entries().items() if count > MAX_ENTRIES}
    assert crowded == CROWDED


@pytest.mark.parametrize(
    "text",
    [
        "x = MOST_BYTES",
        '"""Tell who asks."""',
        '"""Why it failed."""',
        "see law 7",
        "begins_anew",
        "asks for leave",
        "_LINKS_AN_HOUR = 10",
        "class _Kept(NamedTuple):",
        "house = make()",
        "at most 25 items a second",
        '_log.warning("no dots")',
        '_LOG.warning(\n    "no dots", a=1)',
    ],
)
def test_a_violation_would_be_found(text):
    assert offences(text)


@pytest.mark.parametrize("text", ["'house'", "one of a task", '_log.info("task.ended")'])
def test_plain_text_is_no_violation(text):
    assert not offences(text)
