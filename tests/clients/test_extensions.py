"""The operator's commands: found by entry points, loaded when asked for, never in the way."""

from importlib.metadata import EntryPoint

import click
import pytest
from click.testing import CliRunner

from clients.cli import extensions
from clients.cli.command_group import errand
from clients.cli.errors import CliError
from clients.cli.extensions import GROUP, ExtensibleGroup


@pytest.fixture
def group(monkeypatch):
    """A group with a command of its own, and these entry points."""

    def make(**points):
        offered = {name: EntryPoint(name, value, GROUP) for name, value in points.items()}
        monkeypatch.setattr(extensions, "_entry_points", lambda: offered)
        made = ExtensibleGroup("errand")
        made.add_command(click.Command("own", callback=lambda: click.echo("mine")))
        return made

    return make


def test_the_commands_of_this_edition_are_all_there():
    names = set(errand.list_commands(click.Context(errand)))
    assert {"run", "show", "replay", "diff", "export", "costs", "forward"} <= names
    for name in ("export", "costs", "forward"):
        command = errand.get_command(click.Context(errand), name)
        assert command is not None
        assert command.name == name


def test_an_entry_points_command_is_loaded_only_when_asked_for(group):
    made = group(broken="nowhere.at.all:command", export="infra.operator.analytics.commands:export")
    assert made.list_commands(click.Context(made)) == ["broken", "export", "own"]
    assert CliRunner().invoke(made, ["own"]).output == "mine\n"


def test_one_that_cannot_be_loaded_says_so_and_the_others_go_on(group):
    made = group(broken="nowhere.at.all:command", strange="clients.cli.errors:CliError")
    shown = CliRunner().invoke(made, ["--help"])
    assert shown.exit_code == 0
    assert shown.output.count("(cannot be loaded here)") == 2
    ended = CliRunner().invoke(made, ["broken"])
    assert isinstance(ended.exception, CliError)
    assert "`errand broken` cannot be loaded: No module named 'nowhere'" in ended.exception.message


def test_an_own_command_is_not_replaced_by_one_entry_points(group):
    made = group(own="nowhere:command")
    assert CliRunner().invoke(made, ["own"]).output == "mine\n"


def test_an_unknown_command_is_refused(group):
    assert CliRunner().invoke(group(), ["nonsense"]).exit_code == 2
