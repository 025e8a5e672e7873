"""Commands that other parts of the house offer to `errand`: those of its operator.

A client knows nothing of the house behind the gateway, so it does not import them: they are found
by the entry points of the group `errand.commands` (pyproject.toml), each a click command, and
loaded when they are asked for. They are handed the same `Person` as every command here.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points

import click

from clients.cli.errors import Trouble

GROUP = "errand.commands"


class Extensible(click.Group):
    """A group whose commands are its own and those offered. Its own come first.

    `sections` orders its own in the help: a heading and names each. The rest is for operators.
    """

    sections: Sequence[tuple[str, Sequence[str]]] = ()

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands section by section, each with its whole first sentence."""
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
        yield "Other commands", [name for name in rest if name not in _offered()]
        yield "For operators", [name for name in rest if name in _offered()]

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name all commands."""
        return sorted({*super().list_commands(ctx), *_offered()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Give a command, loading it when it is one of those offered."""
        if (own := super().get_command(ctx, cmd_name)) is not None:
            return own
        offered = _offered().get(cmd_name)
        return _loaded(offered) if offered else None


def _first_sentence(command: click.Command) -> str:
    text = command.short_help or (command.help or "").partition("\n\n")[0]
    return " ".join(text.split()).removesuffix(" For operators.")


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
