"""Detection: which commands the files of package managers stand for. A table."""

import pytest

from services.worker.workspace.environment.detection import MAX_FOLDERS, detect, texts_wanted

PROJECT = "[project]\nname = 'x'\n[project.optional-dependencies]\ntest = ['pytest']\ndocs = []\n"


@pytest.mark.parametrize(
    ("paths", "texts", "marker", "command"),
    [
        (["uv.lock", "pyproject.toml"], {}, "uv.lock", "uv sync --frozen --all-groups"),
        (["poetry.lock", "pyproject.toml"], {}, "poetry.lock", "poetry install --no-interaction"),
        (["requirements.txt"], {}, "requirements.txt", "pip install -r requirements.txt"),
        (
            ["requirements/dev.txt", "setup.py"],
            {},
            "requirements/dev.txt",
            "pip install -r requirements/dev.txt -e .",
        ),
        (["pyproject.toml"], {"pyproject.toml": PROJECT}, "pyproject.toml", "install -e '.[test]'"),
        (["setup.py"], {}, "setup.py", "pip install -e ."),
        (["package.json", "package-lock.json"], {}, "package-lock.json", "npm ci"),
        (["package.json"], {}, "package.json", "npm install --no-package-lock"),
        (["pnpm-lock.yaml"], {}, "pnpm-lock.yaml", "pnpm install --frozen-lockfile"),
        (
            ["package.json", "pnpm-lock.yaml"],
            {"package.json": '{"packageManager": "pnpm@9.1.0+sha512.abc"}'},
            "pnpm-lock.yaml",
            "npm install --global --prefix ~/.local pnpm@9;",
        ),
        (["package.json", "yarn.lock"], {}, "yarn.lock", "yarn install --frozen-lockfile"),
        (
            ["package.json", "yarn.lock"],
            {"package.json": '{"packageManager": "yarn@4.0.0"}'},
            "yarn.lock",
            "corepack yarn install --immutable",
        ),
        (["yarn.lock", ".yarnrc.yml"], {}, "yarn.lock", "corepack yarn install --immutable"),
        (["go.mod", "go.sum"], {}, "go.mod", "go mod download"),
        (["Cargo.toml", "Cargo.lock"], {}, "Cargo.lock", "cargo fetch --locked"),
        (["Cargo.toml"], {}, "Cargo.toml", "cargo fetch"),
        (["Gemfile", "Gemfile.lock"], {}, "Gemfile.lock", "bundle install"),
        (["pom.xml"], {}, "pom.xml", "mvn --batch-mode --quiet dependency:go-offline"),
        (["pom.xml", "mvnw"], {}, "pom.xml", "sh ./mvnw --batch-mode"),
        (["build.gradle.kts"], {}, "build.gradle.kts", "gradle --no-daemon --quiet testClasses"),
        (["build.gradle", "gradlew"], {}, "build.gradle", "sh ./gradlew --no-daemon"),
        (["web/package-lock.json"], {}, "web/package-lock.json", "cd 'web' && npm ci"),
    ],
)  # fmt: skip
def test_a_managers_file_stands_for_its_command(paths, texts, marker, command):
    found = detect(paths, texts)
    assert found is not None
    assert found.markers == (marker,)
    assert command in found.definition.setup


@pytest.mark.parametrize(
    "paths",
    [
        [],
        ["README.md", "src/main.c", "Makefile"],
        ["docs/requirements.txt", "examples/a/package.json", "node_modules/x/package.json"],
        ["tests/fixtures/go.mod", ".github/package.json", "a/b/c/d/package-lock.json"],
        ["pyproject.toml"],  # of tools alone: no project, no build
    ],
)
def test_files_that_ask_for_nothing_set_nothing_up(paths):
    assert detect(paths, {"pyproject.toml": "[tool.ruff]\n"}) is None


def test_a_monorepo_sets_up_each_part_and_a_failing_part_does_not_stop_the_others():
    paths = ["api/requirements.txt", "web/package-lock.json", "web/package.json", "go.mod"]
    found = detect(paths, {})
    assert found is not None
    assert found.markers == ("go.mod", "api/requirements.txt", "web/package-lock.json")
    assert found.definition.setup.splitlines()[0] == "failed=0"
    assert found.definition.setup.splitlines()[-1] == 'exit "$failed"'
    assert "(cd 'web' && npm ci) || failed=$?" in found.definition.setup


def test_the_members_of_a_workspace_belong_to_its_root():
    paths = [
        *("pnpm-lock.yaml", "package.json", "packages/a/package.json", "packages/b/package.json"),
        *("Cargo.toml", "Cargo.lock", "crates/x/Cargo.toml", "pom.xml", "core/pom.xml"),
    ]
    found = detect(paths, {})
    assert found is not None
    assert found.markers == ("pnpm-lock.yaml", "Cargo.lock", "pom.xml")


def test_a_part_with_a_lock_of_its_own_is_set_up_by_itself():
    found = detect(["package-lock.json", "tools/package-lock.json"], {})
    assert found is not None
    assert found.markers == ("package-lock.json", "tools/package-lock.json")


def test_the_agents_shell_finds_the_packages_of_python():
    found = detect(["uv.lock"], {})
    assert found is not None
    assert ".venv/bin" in found.definition.start


def test_a_name_with_quotes_runs_nothing():
    found = detect(["it's; rm -rf x/package-lock.json"], {})
    assert found is not None
    assert "cd 'it'\\''s; rm -rf x' && npm ci" in found.definition.setup


def test_a_repository_of_very_many_parts_is_set_up_in_part():
    found = detect([f"part{n:02}/go.mod" for n in range(100)], {})
    assert found is not None
    assert len(found.markers) == MAX_FOLDERS


def test_files_that_are_no_toml_or_json_are_passed_over():
    texts = {"pyproject.toml": "[[[", "package.json": "{"}
    assert detect(["pyproject.toml"], texts) is None
    found = detect(["package.json", "yarn.lock"], texts)
    assert found is not None
    assert "yarn install --frozen-lockfile" in found.definition.setup


def test_only_the_files_of_considered_folders_are_read():
    paths = ["package.json", "docs/package.json", "a/pyproject.toml", "README.md"]
    assert texts_wanted(paths) == ["package.json", "a/pyproject.toml"]
