"""`errand deadletters`: what readers could not read."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

import click
import msgspec
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from infra.log.jetstream import Connection, connect
from infra.log.jetstream.dead_letters.letters import DeadLetter, forget, open_dead_letters, settle
from infra.operator.command_line import run
from infra.operator.context import LogAddress, Operator, log_address
from infra.operator.retry import read_again, remedy

_EXCERPT_BYTES = 4096
_STAYS = (
    "The task stays in quarantine: its owner sees it as failed and can cancel or archive it. "
    "After an upgrade its readers try it again when they start."
)
_NUMBER = click.argument("number", type=click.IntRange(min=1))


@click.group()
def deadletters() -> None:
    """Look at and settle what readers of the log could not read. For operators."""


@deadletters.command("list")
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object a line.")
@click.pass_obj
def list_letters(operator: Operator, *, is_json: bool) -> None:
    """List the letters nobody has settled, each once, oldest first."""
    found = run(_all(log_address(operator, "operator")))
    if is_json:
        for letter in found:
            click.echo(msgspec.json.encode(letter))
    elif found:
        operator.console.print(_table(found))
    else:
        operator.console.print("No dead letters.")


@deadletters.command()
@_NUMBER
@click.pass_obj
def show(operator: Operator, number: int) -> None:
    """Show one letter, whole."""
    letter = run(_one(log_address(operator, "operator"), number))
    _show(operator.console, letter)


@deadletters.command()
@_NUMBER
@click.pass_obj
def retry(operator: Operator, number: int) -> int:
    """Read it again with the code of today; if it reads now, settle it."""
    return run(_retry(operator.console, log_address(operator, "operator"), number))


@deadletters.command()
@click.argument("sequence", type=click.IntRange(min=1))
@click.pass_obj
def skip(operator: Operator, sequence: int) -> None:
    """Mark what readers parked at a sequence of the log as seen: they go on without it."""
    skipped = run(_skip(log_address(operator, "operator"), sequence))
    readers = ", ".join(letter.reader for letter in skipped)
    operator.console.print(Text(f"Skipped at {sequence} for: {readers}. It is not listed again."))
    if any(letter.is_of_a_task for letter in skipped):
        operator.console.print(Text(_STAYS))


@deadletters.command()
@_NUMBER
@click.pass_obj
def drop(operator: Operator, number: int) -> None:
    """Delete one letter; the message in the log stays."""
    letter = run(_drop(log_address(operator, "operator"), number))
    operator.console.print(
        f"Dropped. The message stays in the log at {letter.sequence}, and readers pass it over."
    )


async def _all(address: LogAddress) -> list[DeadLetter]:
    async with _connected(address) as log:
        return list(await open_dead_letters(log))


async def _one(address: LogAddress, number: int) -> DeadLetter:
    return _numbered(await _all(address), number)


async def _retry(console: Console, address: LogAddress, number: int) -> int:
    async with _connected(address) as log:
        letter = _numbered(await open_dead_letters(log), number)
        again = await read_again(log, letter)
        if again.recorded is None:
            console.print(Text(f"It cannot be read yet: {again.reason}."))
            return 1
        if letter.is_of_a_task:
            await forget(log, letter)  # without a note: should it break again, it is shown again
        else:
            await settle(log, letter, "reads")
    version = again.recorded.version
    console.print(Text(f"It reads now: version {version} of {again.recorded.task}. Settled."))
    console.print(Text(remedy(letter)))
    return 0


async def _skip(address: LogAddress, sequence: int) -> list[DeadLetter]:
    async with _connected(address) as log:
        found = [letter for letter in await open_dead_letters(log) if letter.sequence == sequence]
        if not found:
            raise click.ClickException(
                f"No reader has parked anything at {sequence}. `errand deadletters list` shows "
                "which events were parked."
            )
        for letter in found:
            await settle(log, letter, "skipped")
        return found


async def _drop(address: LogAddress, number: int) -> DeadLetter:
    async with _connected(address) as log:
        letter = _numbered(await open_dead_letters(log), number)
        await settle(log, letter, "dropped")
        return letter


def _connected(address: LogAddress) -> AbstractAsyncContextManager[Connection]:
    return connect(
        address.nats_url, credentials=address.nats_credentials, name="errand", keys=address.keys
    )


def _numbered(found: Sequence[DeadLetter], number: int) -> DeadLetter:
    for letter in found:
        if letter.number == number:
            return letter
    raise click.ClickException(
        f"There is no letter {number}. `errand deadletters list` shows which there are."
    )


def _table(found: Sequence[DeadLetter]) -> Table:
    task = Column("task", no_wrap=True)  # it is copied from here
    table = Table("letter", "reader", "event", task, "parked", "reason", box=None, pad_edge=False)
    for letter in found:
        name = letter.subject.rpartition(".")[2]
        at = f"{letter.at:%Y-%m-%d %H:%M:%S}"
        cells = (str(letter.number), letter.reader, str(letter.sequence), name, at, letter.reason)
        table.add_row(*map(Text, cells))
    return table


def _show(console: Console, letter: DeadLetter) -> None:
    body = letter.body[:_EXCERPT_BYTES].decode(errors="backslashreplace")
    rest = len(letter.body) - _EXCERPT_BYTES
    lines = (
        f"letter    {letter.number} of the reader {letter.reader}",
        f"parked    {letter.at:%Y-%m-%d %H:%M:%S} UTC",
        f"event     sequence {letter.sequence} on {letter.subject}",
        f"reason    {letter.reason}",
        f"body      {len(letter.body)} bytes",
        _printable(body),
        *([f"… and {rest} bytes more"] if rest > 0 else []),
    )
    for line in lines:
        console.print(Text(line), soft_wrap=True)


def _printable(text: str) -> str:
    """Make a stranger's text harmless for a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)
