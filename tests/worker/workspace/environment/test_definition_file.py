"""`.errand/environment.toml` and devcontainer.json: what they define, and what is refused."""

import pytest

from events import EnvironmentDefinition
from services.worker.workspace.environment.definition_file import (
    InvalidDefinition,
    parse_definition,
)
from services.worker.workspace.environment.devcontainer import parse_devcontainer, without_comments

DEVCONTAINER = ".devcontainer/devcontainer.json"

WHOLE = """
image = "default"
setup = "npm ci"
start = "redis-server --daemonize yes"
timeout_seconds = 600
cache_paths = ["node_modules", "~/.cache"]
egress = "open"
agent_egress = "registries"
allow = ["api.example.com", "db.example.com:5432"]
env = { NODE_ENV = "test" }
"""


def test_every_field_of_the_file_is_read():
    assert parse_definition(WHOLE) == EnvironmentDefinition(
        setup="npm ci",
        start="redis-server --daemonize yes",
        timeout_seconds=600,
        cache_paths=("node_modules", "~/.cache"),
        egress="open",
        agent_egress="registries",
        allow=("api.example.com", "db.example.com:5432"),
        env={"NODE_ENV": "test"},
    )


def test_an_empty_file_sets_nothing_up_and_opens_nothing_to_the_agent():
    empty = parse_definition("")
    assert (empty.setup, empty.egress, empty.agent_egress) == ("", "registries", "off")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("setup = ", "not TOML"),
        ("set_up = 'x'", "`set_up` is not known"),
        ("setup = 7", "`setup` is not as expected"),
        ("egress = 'all'", "`egress` is not as expected"),
        ("timeout_seconds = 3", "from 10 to 3,600"),
        ("timeout_seconds = 'long'", "`timeout_seconds` is not as expected"),
        ("allow = ['https://x.example.com']", "Write no scheme, path or `*`."),
        ("allow = ['*.example.com']", "Write no scheme, path or `*`."),
        ("cache_paths = ['../x']", "is not a path that can be kept"),
        ("cache_paths = ['/etc']", "is not a path that can be kept"),
        ("env = { 'A B' = 'x' }", "name of a variable"),
        ("env = { HTTPS_PROXY = 'x' }", "is set by Errand itself"),
        ("env = { LD_PRELOAD = 'x' }", "is set by Errand itself"),
        ('setup = "a\\u0000"', "`setup` holds control characters"),
        (f"setup = '{'x' * 16_001}'", "16,001 characters"),
        ("image = '$(x)'", "not an image's name"),
        ("a = " + "[" * 2000, "environment.toml"),
    ],
)  # fmt: skip
def test_an_error_names_its_cause_and_what_to_do(text, said):
    with pytest.raises(InvalidDefinition) as refusal:
        parse_definition(text)
    assert str(refusal.value).startswith(".errand/environment.toml: ")
    assert said in str(refusal.value)


def test_a_devcontainers_commands_become_one_script_in_their_order():
    text = """
    // a comment
    {
      "image": "mcr.example.com/python:3", /* another, with "a string" */
      "onCreateCommand": "echo one // no comment",
      "updateContentCommand": ["npm", "ci", "it's"],
      "postCreateCommand": {"a": "echo three", "b": ["echo", "four"],},
      "postStartCommand": "redis-server &",
      "containerEnv": {"ROOT": "${containerWorkspaceFolder}/src", "TOKEN": "${localEnv:TOKEN}"},
    }
    """
    found = parse_devcontainer(DEVCONTAINER, text)
    assert found is not None
    assert found.setup.splitlines() == [
        "echo one // no comment",
        "npm ci 'it'\\''s'",
        "echo three",
        "echo four",
    ]
    assert found.start == "redis-server &"
    assert found.env == {"ROOT": "/workspace/src", "TOKEN": ""}


def test_a_devcontainer_of_an_image_alone_defines_nothing():
    assert parse_devcontainer(DEVCONTAINER, '{"image": "x"}') is None


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"postCreateCommand": 7}', '{"postCreateCommand": {"a": {"b": "c"}}}',
     '{"containerEnv": []}', '{"containerEnv": {"A B": "x"}}', "[" * 5000],
)  # fmt: skip
def test_a_devcontainer_that_is_none_is_refused_with_its_path(text):
    with pytest.raises(InvalidDefinition, match=r"^\.devcontainer/devcontainer\.json: "):
        parse_devcontainer(DEVCONTAINER, text)


def test_what_looks_like_a_comment_in_a_string_stays():
    assert without_comments('{"a": "http://x/*y*/", }') == '{"a": "http://x/*y*/"  }'
