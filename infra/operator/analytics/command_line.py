"""Shared parts of the commands that read the log: places, selections, connection, errors."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, get_args

import click

from events import AccountId, TaskEvent
from infra.log.event_log import Unavailable
from infra.log.jetstream import Connection, JetStreamLog, Selection
from infra.operator.analytics.consumer import event_log
from infra.operator.analytics.destination import NotWritten
from infra.operator.context import LogAddress, Operator, log_address
from infra.runtime import telemetry
from infra.runtime.settings import Misconfigured

PLACE: Final = "a date (2026-01-31: its midnight, UTC), an RFC 3339 time, or a sequence of the log"

_TAGS: Final = frozenset(fact.__struct_config__.tag for fact in get_args(TaskEvent))


class Place(click.ParamType[int | datetime]):
    """A place in the log: a sequence, or a time."""

    name = "place"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's own
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> int | datetime:
        """Read it; a time without a zone is UTC."""
        if isinstance(value, int | datetime):
            return value
        text = str(value)
        if text.isascii() and text.isdigit():
            return int(text)
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text} is not {PLACE}.", param, ctx)
        return at if at.tzinfo else at.replace(tzinfo=UTC)


async def selection_of(
    log: Connection,
    since: int | datetime | None,
    up_to: int | datetime | None,
    *,
    types: Sequence[str] = (),
    account: str = "",
) -> Selection:
    """Select what an operator asked for, to the log's end of now unless asked otherwise.

    Raises click.UsageError for a type that no event has.
    """
    if unknown := set(types) - _TAGS:
        known = ", ".join(sorted(map(str, _TAGS)))
        raise click.UsageError(f"No event is called {min(unknown)}. There are: {known}.")
    end = up_to if up_to is not None else (await JetStreamLog[Any](log).info()).last_sequence
    return Selection(
        after=max(0, since - 1) if isinstance(since, int) else 0,
        since=since if isinstance(since, datetime) else None,
        up_to=end,
        types=frozenset(types),
        account=AccountId(account) if account else None,
    )


def run(operator: Operator, work: Callable[[Connection], Awaitable[int]]) -> int:
    """Connect to the log as an analyst, work, and answer the exit code.

    Raises click.ClickException with what is wrong and what to do.
    """
    telemetry.configure("errand", level="WARNING")
    try:
        return asyncio.run(_connected(log_address(operator, "analytics"), work))
    except (Misconfigured, NotWritten, Unavailable) as error:
        raise click.ClickException(str(error)) from None
    except ModuleNotFoundError as error:
        if error.name != "pyarrow":
            raise
        raise click.ClickException(
            "Parquet needs pyarrow, which is not installed: install Errand with its extra "
            "`analytics` (`make setup` does), or use --format jsonl."
        ) from None


async def _connected(address: LogAddress, work: Callable[[Connection], Awaitable[int]]) -> int:
    async with event_log(
        address.nats_url, address.nats_credentials, name="errand", keys=address.keys
    ) as log:
        return await work(log)
