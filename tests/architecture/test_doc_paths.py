"""Every path, module, link and `make` target that a document names is there."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from docs.__main__ import PACKAGES
from tests.kit.paths import ROOT

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "events/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
TOPS = "events|services|infra|clients|docs|tests"
FILE = re.compile(rf"(?<![\w/.-])((?:{TOPS})/[\w./*-]*\w|\.ci/\w+)")
MODULE = re.compile(rf"(?<![\w/.-])((?:{TOPS})(?:\.[A-Za-z_]\w*)+)(?![\w/(]*[/(*{{])")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
MAKE = re.compile(r"`make ([a-z-]+)")
BUILT = ("clients/web/dist",)  # made by `make web`, and not kept
# Subjects of the log, log keys and files look like modules and are none.
SUBJECT = re.compile(r"events\.(acc|\{|forged|invalid|jsonl|parquet)")


def sources() -> Iterator[Path]:
    for package in (*PACKAGES, "tests"):
        yield from sorted((ROOT / package).rglob("*.py"))


def exists(path: str) -> bool:
    if path in BUILT:
        return True
    return any(ROOT.glob(path)) if "*" in path else (ROOT / path).exists()


def is_there(dotted: str) -> bool:
    """Return whether a dotted name is a module or something in one."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:length])
        if place.is_dir() and length == len(parts):
            return True
        if place.with_suffix(".py").is_file() or place.is_dir():
            found: object = import_module(".".join(parts[:length]))
            for name in parts[length:]:
                if not hasattr(found, name):
                    return False
                found = getattr(found, name)
            return True
    return False


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_path_on_a_page_is_there(page: Path) -> None:
    assert not [path for path in FILE.findall(page.read_text()) if not exists(path)]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_on_a_page_is_there(page: Path) -> None:
    named = {name for name in MODULE.findall(page.read_text()) if not SUBJECT.match(name)}
    assert not [name for name in named if not exists(name) and not is_there(name)]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_on_a_page_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        path, _, anchor = link.partition("#")
        if "://" in path:
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_make_target_on_a_page_is_there(page: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(MAKE.findall(page.read_text())) <= set(targets)


def test_every_page_that_the_code_names_is_there() -> None:
    """An error text that sends a person to a page sends them to one that exists."""
    named = {
        (str(path.relative_to(ROOT)), page)
        for path in sources()
        for page in re.findall(r"\bdocs/[\w/-]+\.md", path.read_text())
    }
    assert len(named) > 10
    assert not [each for each in named if not exists(each[1])]


def test_the_index_of_decisions_names_each_with_title_date_and_status() -> None:
    folder = ROOT / "docs" / "decisions"
    pages = sorted(folder.glob("0*.md"))
    index = (folder / "README.md").read_text()
    for page in pages:
        found = re.match(r"# (\d+)\. (.+)\n\n(\d{4}-\d\d-\d\d), (\w+)\.\n", page.read_text())
        assert found, page.name
        number, title, date, status = found.groups()
        assert int(number) == int(page.name[:4])
        assert f"| {number} | [{title}]({page.name}) | {date} | {status} |" in index
    numbers = {int(page.name[:4]) for page in pages}
    unused = sorted(set(range(1, max(numbers))) - numbers)
    verb = "Number {} was" if len(unused) == 1 else "Numbers {} were"
    listed = verb.format(" and ".join(map(str, unused)))
    assert f"{listed} never used." in " ".join(index.split())
