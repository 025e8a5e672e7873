"""The environment that holds, and why; and on what its key in the cache depends."""

import pytest
from msgspec.structs import replace

from events import EnvironmentDefinition
from services.worker.workspace.environment.cache_key import Toolchain, cache_key
from services.worker.workspace.environment.choice import choose_environment
from tests.kit.build.worker_history import SUBMITTED

OWN = EnvironmentDefinition(setup="make deps")
FILE, DEV = ".errand/environment.toml", ".devcontainer/devcontainer.json"
PATHS = dict.fromkeys((FILE, DEV, "package-lock.json"), "oid")
TEXTS = {FILE: 'setup = "from file"', DEV: '{"postCreateCommand": "from devcontainer"}'}
NAMED = replace(SUBMITTED, environment=OWN, environment_source="task")
KEPT = replace(SUBMITTED, environment=OWN, environment_source="account")


def without(*paths):
    return {path: oid for path, oid in PATHS.items() if path not in paths}


NO_FILE, NO_DEV = without(FILE), without(FILE, DEV)


@pytest.mark.parametrize(
    ("submitted", "paths", "source", "setup", "reason"),
    [
        (NAMED, PATHS, "task", "make deps", "named with the task"),
        (KEPT, PATHS, "account", "make deps", "the account's settings for this repository"),
        (SUBMITTED, PATHS, "file", "from file", f"{FILE} at the base commit"),
        (SUBMITTED, NO_FILE, "devcontainer", "from devcontainer", f"{DEV} at the base commit"),
        (SUBMITTED, NO_DEV, "detected", "npm ci", "detected from package-lock.json"),
    ],
)  # fmt: skip
def test_the_first_that_exists_holds(submitted, paths, source, setup, reason):
    chosen = choose_environment(submitted, paths, TEXTS)
    assert chosen is not None
    assert (chosen.source, chosen.definition.setup, chosen.reason) == (source, setup, reason)
    assert not chosen.problem


def test_an_image_that_is_not_used_is_said_to_be():
    asking = replace(SUBMITTED, environment=EnvironmentDefinition(image="python:3.12"))
    chosen = choose_environment(asking, PATHS, TEXTS)
    assert chosen is not None
    assert chosen.reason == (
        "named with the task; it asks for the image python:3.12, but there is one image for all, "
        "which is used"
    )


def test_a_repository_without_any_of_them_has_no_environment():
    assert choose_environment(SUBMITTED, {"README.md": "oid"}, {}) is None


def test_a_devcontainer_without_commands_leaves_it_to_detection():
    chosen = choose_environment(SUBMITTED, NO_FILE, {DEV: '{"image": "x"}'})
    assert chosen is not None
    assert chosen.source == "detected"


def test_a_file_that_is_not_valid_holds_and_sets_nothing_up():
    chosen = choose_environment(SUBMITTED, PATHS, {**TEXTS, FILE: "setup = 7"})
    assert chosen is not None
    assert (chosen.source, chosen.definition.setup) == ("file", "")
    assert "`setup` is not as expected" in chosen.problem
    assert "Correct the file on the base branch" in chosen.problem


TOOLCHAIN = Toolchain("bubblewrap", "debian 12 python 3.11", "x86_64")
FILES = {"package-lock.json": "1", "scripts/setup.sh": "2", "src/app.js": "3"}
SETUP = EnvironmentDefinition(setup="bash ./scripts/setup.sh")


def key(files=FILES, definition=SETUP, toolchain=TOOLCHAIN, base="main"):
    return cache_key(toolchain, definition, files, base=base)


def test_the_key_is_the_same_for_the_same_set_up():
    assert key() == key(dict(reversed(FILES.items())))
    assert key({**FILES, "src/app.js": "other", "src/new.js": "4"}) == key()
    variables = [{"A": "1", "B": "2"}, {"B": "2", "A": "1"}]
    assert len({key(definition=replace(SETUP, env=env)) for env in variables}) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"files": {**FILES, "package-lock.json": "other"}},
        {"files": {**FILES, "web/yarn.lock": "new"}},
        {"files": {**FILES, "scripts/setup.sh": "other"}},
        {"definition": replace(SETUP, setup="npm ci")},
        {"definition": replace(SETUP, env={"A": "1"})},
        {"toolchain": TOOLCHAIN._replace(architecture="aarch64")},
        {"toolchain": TOOLCHAIN._replace(image="debian 13")},
        {"toolchain": TOOLCHAIN._replace(sandbox="docker")},
        {"base": "a-branch-of-somebody"},
    ],
)
def test_whatever_set_up_depends_on_makes_another_key(changed):
    assert key(**changed) != key()
