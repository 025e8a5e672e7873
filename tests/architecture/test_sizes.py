"""Modules and functions stay small: no module may grow past 400 lines (the habit is 300)."""

import ast

import pytest

from tests.architecture.source_modules import FOLDERS, MODULES
from tests.kit.paths import ROOT

MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60
REFUSED = {"common", "utils", "helpers", "base", "core", "misc", "manager", "processor"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_is_short(path):
    lines = len(path.read_text().splitlines())
    assert lines <= MAX_MODULE_LINES, f"{path.relative_to(ROOT)} has {lines} lines: split it"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_function_is_short(path):
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{path.name}:{node.lineno} {node.name}: {length}"


def test_no_module_has_a_name_that_says_nothing():
    assert not [path for path in MODULES if path.stem in REFUSED]


def test_the_top_level_holds_only_the_known_folders():
    folders = {p.name for p in ROOT.iterdir() if p.is_dir() and not p.name.startswith(".")}
    assert folders - {"errand.egg-info", "__pycache__"} <= {*FOLDERS, "docs"}


def test_no_class_calls_itself_a_service():
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and "tests" not in path.parts:
                assert "Service" not in node.name, f"{path.name}:{node.lineno} {node.name}"
