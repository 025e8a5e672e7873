"""Toolchains as bubblewrap shows them: read-only, and without what belongs to no project.

Nothing of Errand's own installation is shown, wherever it lies. Of a Python into which packages
were installed for everybody, only what makes environments is shown: a project's tests shall not
run with packages of the machine.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

_INSTALLERS: Final = re.compile(
    r"(pip|setuptools|wheel)(-.*)?|_distutils_hack|pkg_resources|distutils-precedence\.pth"
)
_PACKAGELESS: Final = {"README.txt", "__pycache__"}
_PYTHON_PROGRAMS: Final = re.compile(r"(python|pip|pydoc|idle|2to3-?)[\d.]*t?(-config)?")


class Toolchain(msgspec.Struct, frozen=True):
    """A directory or a program to show at `path`; `source` is where bwrap finds it."""

    source: Path
    path: Path


def visible_toolchains(paths: Iterable[Path], own: Sequence[Path]) -> tuple[Path, ...]:
    """Return those that are there, and neither lie in an installation of our own nor are one."""
    there = (path.absolute() for path in paths if path.exists())
    return tuple(
        path for path in there if not any(path.resolve().is_relative_to(each) for each in own)
    )


def search_path(toolchains: Iterable[Path]) -> list[str]:
    """Return the directories for PATH: a toolchain's `bin`, or the directory of a program."""
    found = [path / "bin" if path.is_dir() else path.parent for path in toolchains]
    return list(dict.fromkeys(str(path) for path in found if path.is_dir()))


def show(toolchain: Toolchain) -> list[str]:
    """Return the options of bwrap that show a toolchain."""
    options = ["--ro-bind", str(toolchain.source), str(toolchain.path)]
    if toolchain.path.resolve() != toolchain.path:
        options += ["--ro-bind", str(toolchain.source), str(toolchain.path.resolve())]
    for packages in toolchain.path.resolve().glob("lib/python3*/site-packages"):
        if not _is_shared(packages):
            continue
        options += _only(packages, _INSTALLERS, toolchain)
        options += _only(toolchain.path.resolve() / "bin", _PYTHON_PROGRAMS, toolchain)
    return options


def hide(own: Iterable[Path], shown: Sequence[Path]) -> list[str]:
    """Return the options that put an empty directory over what of our own is inside the shown."""
    inside = [path for path in own if any(path.is_relative_to(each) for each in shown)]
    return [word for path in inside for word in _empty(path)]


def _is_shared(packages: Path) -> bool:
    """Return whether a Python has packages besides those that install others."""
    return any(
        each.name not in _PACKAGELESS and not _INSTALLERS.fullmatch(each.name)
        for each in packages.iterdir()
    )


def _only(directory: Path, wanted: re.Pattern[str], toolchain: Toolchain) -> list[str]:
    """Return the options that leave of a directory the entries of these names alone."""
    inside = directory.relative_to(toolchain.path.resolve())
    options = ["--tmpfs", str(directory)]
    for entry in sorted(directory.iterdir()):
        if not wanted.fullmatch(entry.name):
            continue
        if entry.is_symlink():
            options += ["--symlink", str(entry.readlink()), str(entry)]
        else:
            options += ["--ro-bind", str(toolchain.source / inside / entry.name), str(entry)]
    return [*options, "--remount-ro", str(directory)]


def _empty(directory: Path) -> list[str]:
    return ["--tmpfs", str(directory), "--remount-ro", str(directory)]
