"""Specimens of every fact, always the same: from these the golden corpus is begun.

`make docs` runs this too: it begins a file for each (tag, schema version) that has none yet, and
adds to one a body that says what the fact could not say before. It never changes a line that is
there: what was once emitted is evidence.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from msgspec import inspect as shapes

from events import AccountId, Draft, EventId, History, TaskEvent, TaskId, codec
from events.upcast import newest_schema

GOLDEN = Path(__file__).parent / "golden"
TASK_EVENTS: tuple[type[Any], ...] = get_args(TaskEvent)
HISTORY = History(AccountId("acc_" + "a" * 26), TaskId("task_" + "b" * 26))
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)
MAX_VARIANTS = 6


def specimens(cls: type[Any]) -> Iterator[Any]:
    """The fact with its required fields alone, then with every field set, each value once."""
    yield _struct(cls, 0, is_full=False)
    seen: list[Any] = []
    for variant in range(MAX_VARIANTS):
        made = _struct(cls, variant, is_full=True)
        if made not in seen:
            seen.append(made)
            yield made


def bodies(cls: type[Any]) -> list[bytes]:
    """The specimens as they are stored."""
    return [
        codec.encode(HISTORY, version, _draft(version, fact))
        for version, fact in enumerate(specimens(cls), 1)
    ]


def missing(cls: type[Any]) -> list[bytes]:
    """The specimens that say something that no body of the corpus has said yet."""
    path = golden_path(cls)
    if not path.exists():
        return bodies(cls)
    kept = {name for line in path.read_bytes().splitlines() for name in json.loads(line)}
    return [body for body in bodies(cls)[1:2] if not set(json.loads(body)) <= kept]


def golden_path(cls: type[Any]) -> Path:
    """Return the file that keeps the stored bodies of an event's newest shape."""
    tag = cls.__struct_config__.tag
    return GOLDEN / golden_name(tag, newest_schema(tag))


def golden_name(tag: str, schema: int) -> str:
    """The file of the golden corpus that holds stored bodies of this shape, one per line."""
    return f"{tag}.{schema}.jsonl"


def _draft(version: int, fact: Any) -> Draft[Any]:
    cause = "" if version == 1 else f"evt_{version - 1:026}"
    return Draft(id=EventId(f"evt_{version:026}"), at=MOMENT, by="golden", cause=cause, event=fact)


def _struct(cls: type[Any], variant: int, *, is_full: bool) -> Any:
    shape = shapes.type_info(cls)
    assert isinstance(shape, shapes.StructType)
    fields = [field for field in shape.fields if is_full or field.required]
    return cls(**{field.name: _value(field, field.type, variant, is_full) for field in fields})


def _value(field: shapes.Field, kind: shapes.Type, variant: int, is_full: bool) -> Any:
    match kind:
        case shapes.StrType():
            return f"{field.name}: “é”, \n\t🙂" if is_full else field.name
        case shapes.IntType():
            return 2**40
        case shapes.FloatType():
            return 1.25
        case shapes.BoolType():
            return field.default is not True
        case shapes.DateTimeType():
            return MOMENT
        case shapes.LiteralType(values=values):
            return values[variant % len(values)]
        case shapes.UnionType(types=types):
            [some] = [one for one in types if not isinstance(one, shapes.NoneType)]
            return _value(field, some, variant, is_full)
        case shapes.VarTupleType(item_type=item):
            return (_value(field, item, variant, is_full),)
        case shapes.DictType(value_type=shapes.StrType()):
            return {"NAME": f"{field.name}: “é”"}
        case shapes.DictType():
            return {"type": "text", "text": "words", "nested": [None, True, 1.5, {"deep": "er"}]}
        case shapes.StructType(cls=cls):
            return _struct(cls, variant, is_full=is_full)
    raise AssertionError(f"no specimen for {kind}")


def main() -> None:
    """Write what is missing."""
    GOLDEN.mkdir(exist_ok=True)
    for cls in TASK_EVENTS:
        news = missing(cls)
        if news:
            with golden_path(cls).open("ab") as file:
                file.write(b"".join(body + b"\n" for body in news))
            print(f"tests/events/golden/{golden_path(cls).name}")


if __name__ == "__main__":
    main()
