"""The references of variables and telemetry are complete; log keys are `noun.what_happened`."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from docs.__main__ import PACKAGES
from infra.documents.telemetry import find_telemetry
from infra.runtime.settings import variables
from tests.kit.paths import ROOT

CONFIGURATION = (ROOT / "docs" / "reference" / "configuration.md").read_text()
TELEMETRY = (ROOT / "docs" / "reference" / "telemetry.md").read_text()
SOURCES = [
    path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
    if "samples" not in path.parts
]
KEY = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
METRIC = re.compile(r'"(errand_[a-z_]+)", "')
# The operating system and other programs give these their meaning.
FOREIGN_VARIABLES = {"HOME", "PATH", "XDG_STATE_HOME", "FLY_MACHINE_ID"}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def calls(tree: ast.Module, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=found)) if found == name:
                yield node


def settings_read() -> list[tuple[str, str]]:
    """Return module and name of each class that `read` fills from the environment."""
    found = []
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        homes = {
            alias.asname or alias.name: node.module or ""
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        if homes.get("read") != "infra.runtime.settings":
            continue
        for call in calls(tree, "read"):
            assert isinstance(call.args[0], ast.Name), path
            name = call.args[0].id
            found.append((homes.get(name, module_name(path)), name))
    return found


def variables_looked_up() -> set[str]:
    """Return the variables that are looked up by their name, outside of settings."""
    lookup = re.compile(r'environment(?:\.get\(|\[)"([A-Z][A-Z0-9_]+)"')
    return {name for path in SOURCES for name in lookup.findall(path.read_text())}


@pytest.mark.parametrize(("module", "name"), settings_read())
def test_every_variable_of_a_program_is_in_the_reference(module: str, name: str) -> None:
    kind = getattr(import_module(module), name)
    for variable in variables(kind):
        assert f"| `{variable.upper()}` |" in CONFIGURATION, variable


def test_the_settings_of_all_programs_are_found() -> None:
    services = ("gateway", "scheduler", "worker", "projector")
    assert {f"services.{name}.settings" for name in services} <= {m for m, _ in settings_read()}


def test_every_variable_that_is_looked_up_is_in_the_reference() -> None:
    found = variables_looked_up() - FOREIGN_VARIABLES
    assert "ERRAND_TOKEN" in found
    assert not [name for name in found if f"`{name}`" not in CONFIGURATION]


def test_every_log_key_is_a_noun_and_what_happened() -> None:
    events = find_telemetry(ROOT, PACKAGES).log_events
    assert events
    assert not [e for e in events if not KEY.fullmatch(e.key)]


def test_every_metric_is_in_the_reference() -> None:
    found = {name for path in SOURCES for name in METRIC.findall(path.read_text())}
    assert found
    assert not [name for name in found if f"| `{name}` |" not in TELEMETRY]
