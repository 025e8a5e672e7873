"""Commands that other packages add to `errand`: those for operators.

A client may not import the services behind the gateway, so these commands are found
by the entry points of the group `errand.commands` (pyproject.toml), each a click command, and
loaded when they are used. They receive the same `CliContext` as every command here.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points

import click

from clients.cli.errors import CliError

GROUP = "errand.commands"


class ExtensibleGroup(click.Group):
    """Command group with its own commands, which come first, and those of entry points.

    `sections` orders its own in the help: a heading and names each. The rest is for operators.
    """

    sections: Sequence[tuple[str, Sequence[str]]] = ()

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands section by section, each with its complete first sentence."""
        for heading, names in self._sections(ctx):
            commands = [(name, self.get_command(ctx, name)) for name in names]
            rows = [(name, _first_sentence(c)) for name, c in commands if c and not c.hidden]
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)

    def _sections(self, ctx: click.Context) -> Iterator[tuple[str, Sequence[str]]]:
        yield from self.sections
        placed = {name for _, names in self.sections for name in names}
        rest = [name for name in self.list_commands(ctx) if name not in placed]
        yield "Other commands", [name for name in rest if name not in _entry_points()]
        yield "For operators", [name for name in rest if name in _entry_points()]

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted({*super().list_commands(ctx), *_entry_points()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; one of an entry point is loaded first."""
        if (own := super().get_command(ctx, cmd_name)) is not None:
            return own
        offered = _entry_points().get(cmd_name)
        return _load(offered) if offered else None


def _first_sentence(command: click.Command) -> str:
    text = command.short_help or (command.help or "").partition("\n\n")[0]
    return " ".join(text.split()).removesuffix(" For operators.")


@cache
def _entry_points() -> Mapping[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _load(point: EntryPoint) -> click.Command:
    try:
        command = point.load()
    except ImportError as error:
        return _missing(point.name, error)
    if not isinstance(command, click.Command):
        return _missing(point.name, f"{point.value} is not a click command")
    return command


def _missing(name: str, reason: object) -> click.Command:
    """Return a placeholder for a command that cannot be loaded, so that the others still work."""

    def notify() -> None:
        raise CliError(
            f"`errand {name}` cannot be loaded: {reason}.",
            "It is a command for operators. Install Errand with all its extras: `make setup`.",
        )

    return click.Command(name, callback=notify, short_help="(cannot be loaded here)")
