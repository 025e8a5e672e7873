"""The sandbox's image is built or pulled by `make run` where an engine answers and has none."""

import subprocess
from pathlib import Path

import pytest

from infra.local.sandbox.engine import engine_address
from tests.kit.paths import ROOT

SCRIPT = ROOT / "infra/deploy/sandbox_image.sh"
DOCKER = """#!/bin/sh
echo "$@" >>"$CALLS"
case $1 in
  version) exit $NO_ENGINE ;;
  image) exit $NO_IMAGE ;;
  build) cat >"$CALLS.dockerfile"; exit $BROKEN ;;
  pull) exit $BROKEN ;;
esac
"""


class Engine:
    """A `docker` that writes down what it is asked, and answers as told."""

    def __init__(self, directory: Path) -> None:
        self.calls_file = directory / "calls"
        self.programs = directory / "bin"
        self.programs.mkdir()
        program = self.programs / "docker"
        program.write_text(DOCKER)
        program.chmod(0o755)

    def run(self, **settings: str) -> tuple[list[str], str]:
        answers = {"NO_ENGINE": "0", "NO_IMAGE": "1", "BROKEN": "0", **settings}
        search = f"{self.programs}:/usr/bin:/bin"
        done = subprocess.run(
            ["sh", SCRIPT],
            env={"PATH": search, "CALLS": str(self.calls_file), **answers},
            check=True,
            capture_output=True,
            text=True,
        )
        calls = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        return [call for call in calls if call.split()[0] in ("build", "pull")], done.stderr


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(tmp_path)


def test_an_image_that_is_missing_is_built_and_the_wait_is_said(engine: Engine) -> None:
    calls, said = engine.run(DOCKER_BUILD_OPTIONS="--network host")
    assert calls == ["build --network host --tag errand-sandbox:local -"]
    sent = Path(f"{engine.calls_file}.dockerfile").read_text()
    assert sent == (ROOT / "infra/deploy/sandbox.Dockerfile").read_text()
    assert "some minutes" in said
    assert "make run SANDBOX=bubblewrap" in said


def test_an_image_of_ones_own_is_pulled(engine: Engine) -> None:
    calls, _ = engine.run(SANDBOX_IMAGE="images.example.com/team/sandbox:3")
    assert calls == ["pull images.example.com/team/sandbox:3"]


@pytest.mark.parametrize(
    "settings",
    [
        {"NO_IMAGE": "0"},
        {"NO_ENGINE": "1"},
        {"SANDBOX": "bubblewrap"},
        {"SANDBOX": "none"},
        {"PATH": "/nonexistent:/usr/bin:/bin"},
    ],
)
def test_nothing_is_built_where_it_is_there_or_not_wanted(
    engine: Engine, settings: dict[str, str]
) -> None:
    if "PATH" in settings and Path("/usr/bin/docker").exists():
        pytest.skip("there is a docker on this machine's PATH")
    assert engine.run(**settings) == ([], "")


@pytest.mark.parametrize("image", ["errand-sandbox:local", "images.example.com/other"])
def test_a_build_that_fails_says_so_and_the_start_goes_on(engine: Engine, image: str) -> None:
    _, said = engine.run(SANDBOX_IMAGE=image, BROKEN="1")
    assert "could not be" in said


def test_an_engine_is_found_where_the_usual_programs_put_its_socket(tmp_path: Path) -> None:
    usual = tmp_path / "usual.sock"
    environment = {"HOME": str(tmp_path)}
    assert engine_address(environment, usual=usual) == ""
    desktop = tmp_path / ".docker/run/docker.sock"
    desktop.parent.mkdir(parents=True)
    desktop.touch()
    assert engine_address(environment, usual=usual) == f"unix://{desktop}"
    assert engine_address({**environment, "DOCKER_HOST": "tcp://a:1"}, usual=usual) == "tcp://a:1"
    usual.touch()
    assert engine_address(environment, usual=usual) == ""
