"""Test modules share code through tests.kit, a kit of their folder, or conftest.py."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.paths import ROOT

OURS = ("services.", "infra.", "events.", "clients.", "tests.", "docs.")
OF_A_TEST_MODULE = re.compile(r"^tests\..*\btest_\w+$")


def imports(text: str) -> Iterator[str]:
    """Yield the modules that a text imports, by either statement."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def from_test_modules(text: str) -> list[str]:
    return [name for name in imports(text) if OF_A_TEST_MODULE.match(name)]


def importers(paths: Iterator[Path]) -> set[str]:
    return {str(p.relative_to(ROOT)) for p in paths if from_test_modules(p.read_text())}


def is_there(name: str) -> bool:
    """Return whether a dotted name leads to a module, or to a name in one, of this repository."""
    place = ROOT.joinpath(*name.split("."))
    return place.is_dir() or place.with_suffix(".py").is_file()


def test_every_module_that_tests_import_is_there():
    """The suite takes long: a module that was moved is found before it."""
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(OURS):
                assert is_there(node.module), f"{path.relative_to(ROOT)} imports {node.module}"


def test_no_module_imports_a_test_module():
    assert importers((ROOT / "tests").rglob("*.py")) == set(), "Move what is shared to tests/kit."


def test_the_kit_imports_no_tests():
    for path in (ROOT / "tests" / "kit").rglob("*.py"):
        of_tests = {n for n in imports(path.read_text()) if n.startswith("tests.")}
        others = {n for n in of_tests if not n.startswith("tests.kit")}
        assert not others, f"{path.relative_to(ROOT)} imports {others}"


@pytest.mark.parametrize(
    "text",
    [
        "from tests.worker.test_loop import replied",
        "from tests.worker import test_loop",
        "import tests.worker.test_loop",
    ],
)
def test_an_import_of_a_test_module_would_be_found(text):
    assert from_test_modules(text)
