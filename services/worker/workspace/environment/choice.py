"""Choice of a task's environment: which definition holds, and why. Pure."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from events import EnvironmentDefinition, EnvironmentSource, TaskSubmitted
from services.worker.workspace.environment import definition_file
from services.worker.workspace.environment.definition_file import (
    InvalidDefinition,
    parse_definition,
)
from services.worker.workspace.environment.detection import detect
from services.worker.workspace.environment.devcontainer import PATHS, parse_devcontainer

DEFINITION_PATHS: Final = (definition_file.PATH, *PATHS)
"""The files of a repository that define its environment, the first that exists holds."""

_ONE_IMAGE: Final = "but there is one image for all, which is used"
_MAX_REASON_CHARACTERS: Final = 1000
_NOT_USED: Final = "Set-up was not run. Correct the file on the base branch, or name an environment"


class ChosenEnvironment(NamedTuple):
    """The definition that holds, where it comes from, and for people why.

    `problem`: the file that holds is not valid, so that nothing can be set up.
    """

    source: EnvironmentSource
    definition: EnvironmentDefinition
    reason: str
    problem: str = ""


def choose_environment(
    submitted: TaskSubmitted | None, paths: Mapping[str, str], texts: Mapping[str, str]
) -> ChosenEnvironment | None:
    """Return the environment of a task; None when nothing defines one and nothing is detected.

    `paths` are the files of the base commit, `texts` those of DEFINITION_PATHS and of
    `detection.texts_wanted` by path.
    """
    chosen = _named(submitted) or _from_repository(paths, texts)
    if chosen is None or not chosen.definition.image:
        return chosen
    reason = f"{chosen.reason}; it asks for the image {chosen.definition.image}, {_ONE_IMAGE}"
    return chosen._replace(reason=reason[:_MAX_REASON_CHARACTERS])


def _named(submitted: TaskSubmitted | None) -> ChosenEnvironment | None:
    if submitted is None or submitted.environment is None:
        return None
    if submitted.environment_source == "account":
        reason = "the account's settings for this repository"
        return ChosenEnvironment("account", submitted.environment, reason)
    return ChosenEnvironment("task", submitted.environment, "named with the task")


def _from_repository(
    paths: Mapping[str, str], texts: Mapping[str, str]
) -> ChosenEnvironment | None:
    if definition_file.PATH in paths:
        source: EnvironmentSource = "file"
        text = texts.get(definition_file.PATH, "")
        try:
            definition = parse_definition(text)
        except InvalidDefinition as error:
            return _invalid(source, definition_file.PATH, error)
        return ChosenEnvironment(source, definition, f"{definition_file.PATH} at the base commit")
    for path in PATHS:
        if path not in paths:
            continue
        try:
            found = parse_devcontainer(path, texts.get(path, ""))
        except InvalidDefinition as error:
            return _invalid("devcontainer", path, error)
        if found is not None:
            return ChosenEnvironment("devcontainer", found, f"{path} at the base commit")
    detected = detect(paths, texts)
    if detected is None:
        return None
    named = ", ".join(detected.markers)
    return ChosenEnvironment(
        "detected", detected.definition, f"detected from {named}"[:_MAX_REASON_CHARACTERS]
    )


def _invalid(source: EnvironmentSource, path: str, error: InvalidDefinition) -> ChosenEnvironment:
    return ChosenEnvironment(
        source,
        EnvironmentDefinition(),
        f"{path} at the base commit",
        f"{error} {_NOT_USED} with the task.",
    )
