"""Rows to Parquet, a group at a time. The one module that needs the extra `analytics`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import pyarrow as pa
import pyarrow.parquet as pq

Kind = Literal["text", "integer", "time", "day"]

_KINDS: Final[Mapping[Kind, pa.DataType]] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "time": pa.timestamp("us", tz="UTC"),
    "day": pa.date32(),
}


class ParquetFile:
    """Writes one file of these columns; each `write` makes a row group. Use in `with`."""

    def __init__(self, path: Path, columns: Mapping[str, Kind]) -> None:
        self._schema = pa.schema([(name, _KINDS[kind]) for name, kind in columns.items()])
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows, each with every column."""
        if rows:
            self._writer.write_table(pa.Table.from_pylist(list(rows), schema=self._schema))
