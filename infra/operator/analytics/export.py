"""The log as a file: JSON lines or Parquet.

JSON lines: the stored event with `account` and `sequence` before its own fields. Parquet: a column
for each field of the envelope, and the stored event as JSON in `body`.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import msgspec

from events import Recorded
from events.codec import tag_of

Format = Literal["jsonl", "parquet"]
Write = Callable[[Sequence[Recorded]], None]
Told = Callable[[int], None]

_GROUP: Final = 10_000


class Exported(NamedTuple):
    """Count of events written, and the sequences of the first and the last; 0 for none."""

    events: int
    first: int
    last: int


def json_line(recorded: Recorded) -> bytes:
    """Encode one event as a line: one JSON object and a line end."""
    place = msgspec.json.encode({"account": recorded.account, "sequence": recorded.sequence})
    return place[:-1] + b"," + recorded.body[1:] + b"\n"


async def export(
    batches: AsyncIterator[Sequence[Recorded]], write: Write, told: Told = lambda _count: None
) -> Exported:
    """Write every batch; `told` hears the count so far. At most 11,000 events are held."""
    count, first, last = 0, 0, 0
    held: list[Recorded] = []
    async for batch in batches:
        held += batch
        count, first, last = count + len(batch), first or batch[0].sequence, batch[-1].sequence
        if len(held) >= _GROUP:
            write(held)
            held = []
        told(count)
    write(held)
    return Exported(count, first, last)


@contextmanager
def writing(path: Path, form: Format) -> Iterator[Write]:
    """Open a file of this format; write into it while inside. Raises ImportError (parquet)."""
    if form == "jsonl":
        with path.open("wb") as file:
            yield lambda events: file.writelines(map(json_line, events))
        return
    from infra.operator.analytics.parquet import Kind, ParquetFile  # noqa: PLC0415 - an optional extra

    columns: Mapping[str, Kind] = {
        "sequence": "integer",
        "account": "text",
        "task": "text",
        "version": "integer",
        "id": "text",
        "at": "time",
        "by": "text",
        "cause": "text",
        "type": "text",
        "body": "text",
    }
    with ParquetFile(path, columns) as table:
        yield lambda events: table.write([_row(recorded) for recorded in events])


def _row(recorded: Recorded) -> dict[str, Any]:
    return {
        "sequence": recorded.sequence,
        "account": recorded.account,
        "task": recorded.task,
        "version": recorded.version,
        "id": recorded.id,
        "at": recorded.at,
        "by": recorded.by,
        "cause": recorded.cause,
        "type": tag_of(recorded.event),
        "body": recorded.body.decode(),
    }
