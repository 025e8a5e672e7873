"""Package managers: by which files each is recognised, and how it sets a folder up. Pure.

A function gets a folder's `Files` and returns what sets it up, or None where it does not apply.
`ECOSYSTEMS` is the table; of the managers of one ecosystem the first that applies is taken.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import msgspec

_WANTED_EXTRAS: Final = ("dev", "test", "tests", "testing")
_REQUIREMENTS: Final = (
    "requirements.txt",
    *("requirements-dev.txt", "requirements_dev.txt", "dev-requirements.txt"),
    *("requirements-test.txt", "requirements-tests.txt", "test-requirements.txt"),
    *("requirements/dev.txt", "requirements/test.txt", "requirements/tests.txt"),
)
_OWN_PYTHON: Final = (
    "{{ command -v {name} >/dev/null || {{ python3 -m venv ~/.local/share/{name} && "
    "~/.local/share/{name}/bin/pip install --quiet {name} && mkdir -p ~/.local/bin && "
    "ln -sf ~/.local/share/{name}/bin/{name} ~/.local/bin/{name}; }}; }}"
)
_OWN_NODE: Final = (
    "{{ command -v {name} >/dev/null || npm install --global --prefix ~/.local {spec}; }}"
)
_VENV: Final = 'export VIRTUAL_ENV="$PWD/.venv" PATH="$PWD/.venv/bin:$PATH"'
_SPEC: Final = re.compile(r"(npm|pnpm|yarn)@(\d+)[0-9.]*[^\s]*")
_YARN_CLASSIC: Final = 1


class Files(NamedTuple):
    """The files of one folder: the names below it that matter, and the text of a few of them.

    `is_inner`: a folder above it is set up by the same ecosystem already.
    """

    names: frozenset[str]
    texts: Mapping[str, str]
    is_inner: bool = False


class Recipe(NamedTuple):
    """Set-up of a folder: the manager, the file it goes by, and bash to be run in the folder.

    `start` is for every attempt, run at the repository's root when the folder is the root.
    """

    manager: str
    marker: str
    setup: str
    start: str = ""
    env: Mapping[str, str] = {}


Manager = Callable[[Files], Recipe | None]


def _uv(files: Files) -> Recipe | None:
    if "uv.lock" not in files.names:
        return None
    setup = f"{_OWN_PYTHON.format(name='uv')} && uv sync --frozen --all-groups"
    return Recipe("uv", "uv.lock", setup, _VENV, {"UV_NO_SYNC": "1"})


def _poetry(files: Files) -> Recipe | None:
    if "poetry.lock" not in files.names:
        return None
    setup = f"{_OWN_PYTHON.format(name='poetry')} && poetry install --no-interaction"
    return Recipe("poetry", "poetry.lock", setup, _VENV, {"POETRY_VIRTUALENVS_IN_PROJECT": "true"})


def _pip(files: Files) -> Recipe | None:
    listed = [name for name in _REQUIREMENTS if name in files.names]
    project = _installable(files)
    if not listed and (project is None or files.is_inner):
        return None
    arguments = [f"-r {name}" for name in listed]
    if project is not None:
        arguments.append(f"-e {project}")
    setup = (
        "{ [ -x .venv/bin/python ] || python3 -m venv .venv || uv venv --seed .venv; } && "
        f".venv/bin/python -m pip install {' '.join(arguments)}"
    )
    marker = listed[0] if listed else ("pyproject.toml" if project else "setup.py")
    if not listed and "pyproject.toml" not in files.names:
        marker = "setup.py"
    return Recipe("pip", marker, setup, _VENV)


def _installable(files: Files) -> str | None:
    """Return what pip installs of the folder itself; None when it is no package."""
    if "pyproject.toml" in files.names:
        try:
            content = tomllib.loads(files.texts.get("pyproject.toml", ""))
        except (tomllib.TOMLDecodeError, RecursionError):
            return None
        project = content.get("project")
        if isinstance(project, dict):
            extras = project.get("optional-dependencies")
            known = extras if isinstance(extras, dict) else {}
            wanted = [name for name in _WANTED_EXTRAS if name in known]
            return f"'.[{','.join(wanted)}]'" if wanted else "."
        if "build-system" in content:
            return "."
    return "." if "setup.py" in files.names else None


def _pnpm(files: Files) -> Recipe | None:
    if "pnpm-lock.yaml" not in files.names:
        return None
    setup = f"{_own_node(files, 'pnpm')} && pnpm install --frozen-lockfile"
    return Recipe("pnpm", "pnpm-lock.yaml", setup)


def _yarn(files: Files) -> Recipe | None:
    if "yarn.lock" not in files.names:
        return None
    is_classic = ".yarnrc.yml" not in files.names and _major(files, "yarn") <= _YARN_CLASSIC
    if is_classic:
        setup = f"{_own_node(files, 'yarn')} && yarn install --frozen-lockfile"
    else:
        setup = f"{_own_node(files, 'corepack')} && corepack yarn install --immutable"
    return Recipe("yarn", "yarn.lock", setup)


def _npm(files: Files) -> Recipe | None:
    lock = next((n for n in ("package-lock.json", "npm-shrinkwrap.json") if n in files.names), "")
    if lock:
        return Recipe("npm", lock, "npm ci")
    if "package.json" not in files.names or files.is_inner:
        return None
    return Recipe("npm", "package.json", "npm install --no-package-lock")


def _own_node(files: Files, name: str) -> str:
    """Return what installs a package manager where there is none, in the major version wanted."""
    major = _major(files, name)
    return _OWN_NODE.format(name=name, spec=f"{name}@{major}" if major else name)


def _major(files: Files, name: str) -> int:
    """Return the major version that package.json asks for; 0 where it asks for none."""
    try:
        content = msgspec.json.decode(files.texts.get("package.json", "{}"))
    except (msgspec.DecodeError, RecursionError):
        return 0
    wanted = content.get("packageManager") if isinstance(content, dict) else None
    found = _SPEC.fullmatch(wanted) if isinstance(wanted, str) else None
    return int(found[2]) if found and found[1] == name else 0


def _go(files: Files) -> Recipe | None:
    return Recipe("go", "go.mod", "go mod download") if "go.mod" in files.names else None


def _cargo(files: Files) -> Recipe | None:
    offline = {"CARGO_TERM_COLOR": "never"}
    if "Cargo.lock" in files.names:
        return Recipe("cargo", "Cargo.lock", "cargo fetch --locked", env=offline)
    if "Cargo.toml" in files.names and not files.is_inner:
        return Recipe("cargo", "Cargo.toml", "cargo fetch", env=offline)
    return None


def _bundler(files: Files) -> Recipe | None:
    marker = next((name for name in ("Gemfile.lock", "Gemfile") if name in files.names), "")
    if not marker or (marker == "Gemfile" and files.is_inner):
        return None
    return Recipe("bundler", marker, "bundle install", env={"BUNDLE_PATH": "vendor/bundle"})


def _maven(files: Files) -> Recipe | None:
    if "pom.xml" not in files.names or files.is_inner:
        return None
    program = "sh ./mvnw" if "mvnw" in files.names else "mvn"
    return Recipe("maven", "pom.xml", f"{program} --batch-mode --quiet dependency:go-offline")


def _gradle(files: Files) -> Recipe | None:
    markers = ("settings.gradle", "settings.gradle.kts", "build.gradle", "build.gradle.kts")
    marker = next((name for name in markers if name in files.names), "")
    if not marker or files.is_inner:
        return None
    program = "sh ./gradlew" if "gradlew" in files.names else "gradle"
    return Recipe("gradle", marker, f"{program} --no-daemon --quiet testClasses dependencies")


ECOSYSTEMS: Final[Mapping[str, tuple[Manager, ...]]] = {
    "python": (_uv, _poetry, _pip),
    "node": (_pnpm, _yarn, _npm),
    "go": (_go,),
    "rust": (_cargo,),
    "ruby": (_bundler,),
    "java": (_maven, _gradle),
}
"""The managers of each ecosystem, the ones with the most exact files first."""

MARKERS: Final = frozenset(
    {
        *("uv.lock", "poetry.lock", "pyproject.toml", "setup.py", "setup.cfg", ".python-version"),
        *_REQUIREMENTS,
        *("Pipfile.lock", "constraints.txt", "pylock.toml"),
        *("pnpm-lock.yaml", "pnpm-workspace.yaml", "yarn.lock", ".yarnrc.yml", ".npmrc", ".nvmrc"),
        *("package-lock.json", "npm-shrinkwrap.json", "package.json", ".node-version"),
        *("go.mod", "go.sum", "go.work", "go.work.sum", "Cargo.lock", "Cargo.toml"),
        *("rust-toolchain.toml", "rust-toolchain", "Gemfile", "Gemfile.lock", ".ruby-version"),
        *("pom.xml", "mvnw", "build.gradle", "build.gradle.kts", "settings.gradle", "gradlew"),
        *("settings.gradle.kts", "gradle.lockfile", "gradle.properties", "libs.versions.toml"),
        *("gradle-wrapper.properties", "maven-wrapper.properties"),
    }
)
"""The files that a set-up depends on: their contents are part of the cache's key."""

TEXTS: Final = ("package.json", "pyproject.toml")
"""The files whose text the managers look into."""
