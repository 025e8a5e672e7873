"""Toolchains of this machine that a sandbox shows: found by looking, and never Errand's own.

A toolchain is a directory with a `bin`, or one program that needs nothing beside it. What lies
under /usr is shown by every sandbox and on its PATH; only its other `bin` directories are named.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from infra.runtime.installation import own_directories

_SYSTEM_PATH: Final = (
    "/usr/local/bin",
    "/usr/bin",
    "/bin",
    "/usr/local/sbin",
    "/usr/sbin",
    "/sbin",
)
_SYSTEM: Final = ("/", "/usr", "/usr/local")
_OLDEST_PYTHON: Final = (3, 8)
_ELF: Final = b"\x7fELF"

# A program on PATH, and a file or directory of every toolchain of its kind.
_LANDMARKS: Final = {
    "python3": "lib/python3*/os.py",
    "node": "lib/node_modules",
    "go": "pkg/tool",
    "rustc": "lib/rustlib",
    "java": "release",
    "mvn": "boot",
    "gradle": "lib/gradle-*.jar",
}
_SINGLE_PROGRAMS: Final = ("uv", "uvx", "rg", "bun", "deno", "pnpm", "just")
# Where version managers keep toolchains that need not be on PATH, under the home directory.
_MANAGED: Final = {
    "python3": (".pyenv/versions/*", ".local/share/uv/python/cpython-*", ".asdf/installs/python/*"),
    "node": (
        ".nvm/versions/node/*",
        ".local/share/fnm/node-versions/*/installation",
        ".volta/tools/image/node/*",
        ".asdf/installs/nodejs/*",
    ),
    "go": ("sdk/go*", ".asdf/installs/golang/*/go"),
    "rustc": (".rustup/toolchains/*", ".asdf/installs/rust/*"),
    "java": (".sdkman/candidates/java/current",),
    "mvn": (".sdkman/candidates/maven/current",),
    "gradle": (".sdkman/candidates/gradle/current",),
}


def find_toolchains(
    environment: Mapping[str, str],
    *,
    base: Path = Path(sys.base_prefix),
    own: Sequence[Path] | None = None,
) -> tuple[Path, ...]:
    """Return what to show, in the order of PATH: one of each language, then older Pythons.

    `base` is the interpreter that Errand's environment was made from, `own` what is never shown.
    """
    hidden = own_directories() if own is None else own
    home = Path(environment.get("HOME") or "/nonexistent").resolve()
    search = [Path(each) for each in environment.get("PATH", "").split(":") if each[:1] == "/"]

    def may_be_shown(path: Path) -> bool:
        is_above = any(each.is_relative_to(path) for each in (home, *hidden))
        is_system = str(path) in _SYSTEM
        return not (is_above or is_system) and not any(path.is_relative_to(each) for each in hidden)

    others = {"python3": [base], "go": [Path("/usr/local/go")]}
    found: list[Path] = []
    pythons: list[Path] = []
    for program, landmark in _LANDMARKS.items():
        managed = _managed(home, program)
        preferred = _preferred(home, managed)
        roots = [*_on_path(search, program), *preferred, *others.get(program, ()), *managed]
        usable = [
            root
            for root in (each.resolve() for each in roots)
            if any(root.glob(landmark)) and may_be_shown(root) and not _is_environment(root)
        ]
        found += usable[:1]
        pythons += usable if program == "python3" else []
    found += _single_programs(search, may_be_shown)
    found += _one_of_each_version(pythons)
    return tuple(dict.fromkeys(found))


def _on_path(search: Iterable[Path], program: str) -> Iterator[Path]:
    """Yield the roots of a program's toolchains, `<root>/bin/<program>`, links followed."""
    for directory in search:
        file = directory / program
        if str(directory) not in _SYSTEM_PATH and file.is_file():
            yield file.resolve().parents[1]


def _managed(home: Path, program: str) -> list[Path]:
    """Return the toolchains of version managers, newest first."""
    places = [path for pattern in _MANAGED[program] for path in home.glob(pattern)]
    return sorted(places, key=_version, reverse=True)


def _version(path: Path) -> tuple[int, ...]:
    """Return the version in a path's last parts; what has none there is the oldest."""
    said = re.search(r"\d+(\.\d+)+", f"{path.name} {path.parent.name}")
    return tuple(map(int, said[0].split("."))) if said else ()


def _preferred(home: Path, managed: Sequence[Path]) -> list[Path]:
    """Return those that the person chose in pyenv's or rustup's own settings."""
    chosen = [home / ".pyenv/version", home / ".rustup/settings.toml"]
    text = "\n".join(_text(file) for file in chosen)
    names = set(re.findall(r"[\w.+-]+", text))
    return [path for path in managed if path.name in names]


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""


def _is_environment(root: Path) -> bool:
    """Return whether it is a virtual environment, which belongs to some project."""
    return (root / "pyvenv.cfg").exists()


def _single_programs(search: Iterable[Path], may_be_shown: Callable[[Path], bool]) -> list[Path]:
    """Return programs that are one file of machine code: a script needs what is beside it."""
    found = []
    for program in _SINGLE_PROGRAMS:
        for file in ((directory / program).resolve() for directory in search):
            is_wanted = file.name == program and str(file.parent) not in _SYSTEM_PATH
            if is_wanted and may_be_shown(file) and _is_machine_code(file):
                found.append(file)
                break
    return found


def _is_machine_code(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(len(_ELF)) == _ELF
    except OSError:
        return False


def _one_of_each_version(pythons: Iterable[Path]) -> Iterator[Path]:
    """Yield one Python of each minor version: the first of it here, newest version first."""
    newest: dict[tuple[int, ...], Path] = {}
    for root in pythons:
        for library in root.glob("lib/python3.*/os.py"):
            minor = tuple(map(int, library.parent.name.removeprefix("python").split(".")))
            if minor >= _OLDEST_PYTHON:
                newest.setdefault(minor, root)
    for minor in sorted(newest, reverse=True):
        yield newest[minor]
