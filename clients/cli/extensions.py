"""Commands that other parts of the house offer to `errand`: those of its operator.

A client knows nothing of the house behind the gateway, so it does not import them: they are found
by the entry points of the group `errand.commands` (pyproject.toml), each a click command, and
loaded when they are asked for. They are handed the same `Person` as every command here.
"""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points

import click

from clients.cli.trouble import Trouble

GROUP = "errand.commands"


class Extensible(click.Group):
    """A group whose commands are its own and those offered. Its own come first."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name all commands."""
        return sorted({*super().list_commands(ctx), *_offered()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Give a command, loading it when it is one of those offered."""
        if (own := super().get_command(ctx, cmd_name)) is not None:
            return own
        offered = _offered().get(cmd_name)
        return _loaded(offered) if offered else None


@cache
def _offered() -> Mapping[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _loaded(point: EntryPoint) -> click.Command:
    try:
        command = point.load()
    except ImportError as error:
        return _missing(point.name, error)
    if not isinstance(command, click.Command):
        return _missing(point.name, f"{point.value} is no click command")
    return command


def _missing(name: str, reason: object) -> click.Command:
    """Stand in for a command that cannot be loaded: the others go on."""

    def tell() -> None:
        raise Trouble(
            f"`errand {name}` cannot be loaded: {reason}.",
            "It is for operators; install Errand with all its extras: `make setup`.",
        )

    return click.Command(name, callback=tell, short_help="(cannot be loaded here)")
