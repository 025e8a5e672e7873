"""Detection of a repository's environment from the files of its package managers. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from events import EnvironmentDefinition
from services.worker.workspace.environment.managers import (
    ECOSYSTEMS,
    MARKERS,
    TEXTS,
    Files,
    Recipe,
)

MAX_FOLDERS: Final = 8
MAX_DEPTH: Final = 3
MAX_TEXTS: Final = 60

_ROOT: Final = "."
_PASSED_OVER: Final = frozenset(
    {
        *("node_modules", "vendor", "third_party", "testdata", "fixtures", "__fixtures__"),
        *("docs", "doc", "examples", "example", "samples", "templates", "template", "benchmarks"),
        *("dist", "build", "target", "e2e-fixtures"),
    }
)


class Detected(NamedTuple):
    """A detected environment, and the file of each package manager that it goes by."""

    definition: EnvironmentDefinition
    markers: tuple[str, ...]


class _Step(NamedTuple):
    folder: str
    recipe: Recipe


def texts_wanted(paths: Iterable[str]) -> list[str]:
    """Return the paths whose text `detect` looks into."""
    wanted = [path for path in paths if _parts(path)[1] in TEXTS and _is_considered(path)]
    return sorted(wanted, key=lambda path: (path.count("/"), path))[:MAX_TEXTS]


def detect(paths: Iterable[str], texts: Mapping[str, str]) -> Detected | None:
    """Return the environment that the files of a repository ask for; None when they ask for none.

    `texts` are those of `texts_wanted`.
    """
    steps = list(_steps(_folders(paths), texts))[:MAX_FOLDERS]
    if not steps:
        return None
    variables = {name: value for step in steps for name, value in step.recipe.env.items()}
    start = [step.recipe.start for step in steps if step.recipe.start and step.folder == _ROOT]
    definition = EnvironmentDefinition(
        setup=_script(steps), start="\n".join(start), env=dict(sorted(variables.items()))
    )
    return Detected(definition, tuple(_path(s.folder, s.recipe.marker) for s in steps))


def _script(steps: list[_Step]) -> str:
    """Return one bash script; where one of several steps fails, the others are still run."""
    if len(steps) == 1:
        return _line(steps[0])
    lines = [f"({_line(step)}) || failed=$?" for step in steps]
    return "\n".join(["failed=0", *lines, 'exit "$failed"'])


def _line(step: _Step) -> str:
    if step.folder == _ROOT:
        return step.recipe.setup
    folder = "'" + step.folder.replace("'", "'\\''") + "'"
    return f"cd {folder} && {step.recipe.setup}"


def _steps(folders: Mapping[str, frozenset[str]], texts: Mapping[str, str]) -> Iterator[_Step]:
    taken: dict[str, list[str]] = {name: [] for name in ECOSYSTEMS}
    for folder in sorted(folders, key=lambda name: (name != _ROOT, name.count("/"), name)):
        own = {name: texts.get(_path(folder, name), "") for name in TEXTS}
        for ecosystem, managers in ECOSYSTEMS.items():
            is_inner = any(_is_below(folder, above) for above in taken[ecosystem])
            files = Files(folders[folder], own, is_inner)
            recipe = next(filter(None, (manager(files) for manager in managers)), None)
            if recipe is not None:
                taken[ecosystem].append(folder)
                yield _Step(folder, recipe)


def _folders(paths: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return the markers of each folder; `requirements/dev.txt` is one of the folder above."""
    folders: dict[str, set[str]] = {}
    for path in paths:
        if not _is_considered(path):
            continue
        folder, name = _parts(path)
        if name in MARKERS:
            folders.setdefault(folder, set()).add(name)
        above, inner = _parts(folder)
        if inner == "requirements":
            folders.setdefault(above, set()).add(f"requirements/{name}")
    return {folder: frozenset(names) for folder, names in folders.items()}


def _is_considered(path: str) -> bool:
    *above, _ = path.split("/")
    return len(above) <= MAX_DEPTH and not any(
        part in _PASSED_OVER or part.startswith(".") for part in above
    )


def _parts(path: str) -> tuple[str, str]:
    pure = PurePosixPath(path)
    return str(pure.parent), pure.name


def _path(folder: str, name: str) -> str:
    return name if folder == _ROOT else f"{folder}/{name}"


def _is_below(folder: str, above: str) -> bool:
    return folder != above and (above == _ROOT or folder.startswith(f"{above}/"))
