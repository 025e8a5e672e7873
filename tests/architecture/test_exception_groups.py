"""Nothing is raised within `except*`: Python 3.11.0 to 3.11.3 would wrap it in a group.

A group is what the caller of such a block does not expect. What is to be raised is kept in a
variable and raised after the block, which does the same on every Python.
"""

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.source_modules import MODULES
from tests.kit.paths import ROOT


def raises_in_except_star(tree: ast.AST) -> Iterator[int]:
    for block in ast.walk(tree):
        if not isinstance(block, ast.TryStar):
            continue
        for handler in block.handlers:
            for node in ast.walk(handler):
                is_exit = isinstance(node, ast.Call) and ast.unparse(node.func) in (
                    "sys.exit",
                    "exit",
                )
                if isinstance(node, ast.Raise) or is_exit:
                    yield node.lineno


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_is_raised_within_except_star(path):
    lines = list(raises_in_except_star(ast.parse(path.read_text())))
    assert not lines, f"{path.relative_to(ROOT)}, lines {lines}: raise it after the block"


@pytest.mark.parametrize("statement", ["raise Refused from None", "sys.exit(1)", "raise"])
def test_the_check_sees_what_is_raised(statement):
    tree = ast.parse(f"try:\n    work()\nexcept* OSError as errors:\n    {statement}\n")
    assert list(raises_in_except_star(tree)) == [4]
