"""`make web` builds the web app when it is stale, and says plainly what it needs."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.kit.paths import ROOT

LOCKS = [*sorted(ROOT.glob("requirements*.txt")), ROOT / "clients" / "web" / "package-lock.json"]
# A program that notes what it is asked, and builds what npm would build.
NPM = """#!/bin/sh
echo "$*" >> ../../calls
case "$*" in
  ci*) mkdir -p node_modules ;;
  *build) [ ! -e ../../broken ] && rm -rf dist && mkdir dist && echo page > dist/index.html ;;
esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the Makefile, the smallest web app, and programs enough to build it."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    web = tmp_path / "clients" / "web"
    (web / "src").mkdir(parents=True)
    for name in ("package.json", "package-lock.json", "src/main.ts"):
        (web / name).write_text("{}")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "find", "touch", "rm", "mkdir", "make"):
        (programs / name).symlink_to(shutil.which(name) or name)
    return tmp_path


def with_npm(project: Path) -> None:
    npm = project / "bin" / "npm"
    npm.write_text(NPM)
    npm.chmod(0o755)


def make(project: Path, target: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(project / "bin"), "MAKEFLAGS": ""}
    return subprocess.run(
        ["make", target], cwd=project, env=environment, capture_output=True, text=True, check=False
    )


def calls(project: Path) -> list[str]:
    """Return the calls of npm since the last look."""
    notes = project / "calls"
    found = notes.read_text().splitlines() if notes.exists() else []
    notes.unlink(missing_ok=True)
    return [call.split()[0] if call.startswith("ci") else call.split()[-1] for call in found]


def changed(path: Path) -> None:
    """Make a file newer than everything that was made before."""
    later = time.time() + 10
    os.utime(path, (later, later))


def test_the_web_app_is_built_once_and_again_when_a_file_of_it_changes(project: Path) -> None:
    with_npm(project)
    web = project / "clients" / "web"
    assert make(project, "web").returncode == 0
    assert calls(project) == ["ci", "build"]
    assert (web / "dist" / "index.html").exists()
    assert make(project, "web").returncode == 0
    assert calls(project) == []
    changed(web / "src" / "main.ts")
    make(project, "web")
    assert calls(project) == ["build"]


def test_its_packages_are_installed_again_when_their_lock_changes(project: Path) -> None:
    with_npm(project)
    make(project, "web")
    calls(project)
    changed(project / "clients" / "web" / "package-lock.json")
    make(project, "web")
    assert calls(project) == ["ci", "build"]


def test_without_npm_it_says_what_to_install(project: Path) -> None:
    made = make(project, "web")
    assert made.returncode != 0
    assert "Install Node.js" in made.stderr


def test_what_runs_the_stack_goes_on_without_the_web_app(project: Path) -> None:
    made = make(project, "web-if-possible")
    assert made.returncode == 0
    assert "make web" in made.stderr
    with_npm(project)
    (project / "broken").touch()
    made = make(project, "web-if-possible")
    assert made.returncode == 0
    assert "make web" in made.stderr
    (project / "broken").unlink()
    assert make(project, "web-if-possible").returncode == 0
    assert (project / "clients" / "web" / "dist" / "index.html").exists()


@pytest.mark.parametrize("target", ["run", "demo"])
def test_running_the_stack_builds_the_web_app(target: str) -> None:
    [line] = re.findall(rf"^{target}:(.*?)##", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert "web-if-possible" in line.split()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_names_no_registry(lock: Path) -> None:
    text = lock.read_text()
    assert not re.findall(r'"resolved"|--(?:extra-)?index-url|https?://\S*\.(?:tgz|whl|gz)', text)
