"""Settings: read from the environment, told by the variable's name, never by its value."""

from pathlib import Path
from typing import Literal

import msgspec
import pytest

from infra.runtime.settings import Misconfigured, read


class Settings(msgspec.Struct, kw_only=True):
    nats_url: str
    port: int = 80
    grace_seconds: float = 1.5
    is_loud: bool = False
    kind: Literal["anthropic", "rehearsal"] = "anthropic"
    key_file: Path | None = None


class WithPath(msgspec.Struct):
    key_file: Path


def test_fields_are_read_from_variables_of_their_name() -> None:
    environment = {"NATS_URL": "nats://x", "PORT": "81", "GRACE_SECONDS": "2", "IS_LOUD": "true"}

    found = read(Settings, environment)

    assert (found.nats_url, found.port, found.grace_seconds) == ("nats://x", 81, 2.0)
    assert found.is_loud


def test_an_empty_variable_counts_as_absent() -> None:
    assert read(Settings, {"NATS_URL": "n", "PORT": ""}).port == 80


def test_a_variable_nobody_asked_for_is_passed_over() -> None:
    assert read(Settings, {"NATS_URL": "n", "COLOUR": "red"}).nats_url == "n"


def test_a_path_is_a_path() -> None:
    assert read(WithPath, {"KEY_FILE": "/a/b"}).key_file == Path("/a/b")


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, "NATS_URL"),
        ({"NATS_URL": ""}, "NATS_URL"),
        ({"NATS_URL": "n", "PORT": "hunter2"}, "PORT"),
        ({"NATS_URL": "n", "GRACE_SECONDS": "hunter2"}, "GRACE_SECONDS"),
        ({"NATS_URL": "n", "IS_LOUD": "hunter2"}, "IS_LOUD"),
        ({"NATS_URL": "n", "KIND": "hunter2"}, "KIND"),
        ({"NATS_URL": "n", "KIND": "hunter2 - at\n'x'"}, "KIND"),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_not_told(
    environment: dict[str, str], named: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        read(Settings, environment)

    assert named in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "docs/reference/configuration.md" in str(caught.value)
