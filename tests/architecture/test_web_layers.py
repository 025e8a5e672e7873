"""The web app keeps its layers, its sizes, and what its security policy forbids."""

import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from tests.kit.paths import ROOT

SOURCE = ROOT / "clients" / "web" / "src"
FILES = sorted(
    path
    for path in (*SOURCE.rglob("*.ts"), *SOURCE.rglob("*.tsx"))
    if not path.name.endswith(".gen.ts")
)
MAX_LINES = 300
MAX_ENTRIES = 14
MAX_MEDIAN_LINES = 80

# A folder may import from itself and from those below it: the later in this list, the lower.
LAYERS = (
    {"main.tsx"},
    {"screens"},
    {"parts"},
    {"text"},
    {"state"},
    {"line", "store"},
    {"model"},
)
ONLY_MODEL = {"worker"}
ANYWHERE = {"style", "styles.d.ts"}
IMPORTED = re.compile(r"""(?:\bfrom|\bimport)\s*\(?\s*["'](\.{1,2}/[^"']+)["']""")
PACKAGES = re.compile(r"""(?:\bfrom|\bimport)\s*\(?\s*["']([^."'][^"']*)["']""")
IMPURE = re.compile(
    r"\bfetch\(|\bdocument\.|\bwindow\.|\blocalStorage\b|\bindexedDB\b|\bDate\.now\(|\bnew Date\(\)"
    r"|\bMath\.random\(|\bcrypto\.|\bsetTimeout\(|\bsetInterval\("
)
FORBIDDEN = {
    r"\binnerHTML\b": "text of others becomes elements by vnodes alone",
    r"\bouterHTML\b": "text of others becomes elements by vnodes alone",
    r"\binsertAdjacentHTML\b": "text of others becomes elements by vnodes alone",
    r"dangerouslySetInnerHTML": "text of others becomes elements by vnodes alone",
    r"\beval\(": "the policy forbids it",
    r"\bnew Function\(": "the policy forbids it",
    r"""\bstyle=["']""": "the policy forbids it; use an object, or a class",
    r"""setAttribute\(\s*["']style""": "the policy forbids it; set the property",
    r"\bdocument\.write\(": "the policy forbids it",
}
# What is read before the first paint, and holds nothing of a person's work.
MAY_USE_LOCAL_STORAGE = {"state/preferences.ts", "state/session.ts", "state/create_app.ts"}


def layer_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0]


def imported(path: Path) -> Iterator[Path]:
    for name in IMPORTED.findall(path.read_text()):
        yield (path.parent / name).resolve()


def depth(layer: str) -> int:
    return next(place for place, names in enumerate(LAYERS) if layer in names)


def named(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def may_import(layer: str, other: str) -> bool:
    if other in ANYWHERE or other == layer:
        return True
    if layer in ONLY_MODEL:
        return other == "model"
    if layer in ANYWHERE or other in ONLY_MODEL:
        return False
    return depth(layer) < depth(other)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_imports_point_downwards(path: Path) -> None:
    for other in imported(path):
        assert may_import(layer_of(path), layer_of(other)), f"{named(path)} imports {named(other)}"


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_file_is_short_and_says_what_it_is(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= MAX_LINES, f"{named(path)} has {len(lines)} lines: split it"
    assert lines[0].startswith(("//", "/*")), f"{named(path)} does not begin with what it is"


def test_most_files_are_very_short() -> None:
    assert median(len(path.read_text().splitlines()) for path in FILES) <= MAX_MEDIAN_LINES


@pytest.mark.parametrize("path", FILES, ids=named)
def test_nothing_is_written_that_the_security_policy_forbids(path: Path) -> None:
    text = path.read_text()
    for pattern, reason in FORBIDDEN.items():
        assert not re.search(pattern, text), f"{named(path)}: {pattern}: {reason}"


def test_nothing_of_a_persons_work_is_in_local_storage() -> None:
    users = {named(path) for path in FILES if re.search(r"\blocalStorage\b", path.read_text())}
    assert users <= MAY_USE_LOCAL_STORAGE


@pytest.mark.parametrize("path", [p for p in FILES if layer_of(p) == "model"], ids=named)
def test_the_model_is_pure(path: Path) -> None:
    text = re.sub(r"//.*|/\*[\s\S]*?\*/", "", path.read_text())
    assert not IMPURE.search(text), f"{named(path)}: time, chance and I/O come in as arguments"


@pytest.mark.parametrize(
    ("layer", "other", "is_allowed"),
    [
        ("screens", "state", True),
        ("state", "screens", False),
        ("line", "store", False),
        ("model", "state", False),
        ("worker", "model", True),
        ("worker", "line", False),
        ("parts", "style", True),
        ("state", "worker", False),
    ],
)
def test_the_layers_are_those_of_the_design(layer: str, other: str, *, is_allowed: bool) -> None:
    assert may_import(layer, other) is is_allowed


def test_no_folder_is_crowded() -> None:
    folders = {path.parent for path in FILES}
    crowded = {
        str(folder.relative_to(SOURCE)): count
        for folder in folders
        if (count := sum(1 for each in folder.iterdir() if each.suffix != ".css")) > MAX_ENTRIES
    }
    assert crowded == {}, "a style sheet stands beside its file and is not counted"
