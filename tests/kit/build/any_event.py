"""Events of every type, made up: what Hypothesis draws from."""

from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any, get_args

import msgspec
from hypothesis import strategies as st

from events import AccountId, Draft, EventId, History, Recorded, TaskEvent, TaskId, codec

TASK_EVENTS: tuple[type[Any], ...] = get_args(TaskEvent)
HISTORY = History(AccountId("acc_" + "a" * 26), TaskId("task_" + "b" * 26))
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)

# Everything JSON can carry; a lone surrogate it cannot.
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
moments = st.datetimes(
    min_value=datetime(2000, 1, 1),
    max_value=datetime(2100, 1, 1),
    timezones=st.just(UTC),
)
_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
blocks = st.dictionaries(
    texts,
    st.recursive(
        _scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)
_SCALARS = {
    str: texts,
    int: st.integers(0, 2**31 - 1),
    float: st.floats(0, 1e9, allow_nan=False),
    bool: st.booleans(),
    datetime: moments,
    type(None): st.none(),
}


def _of(kind: msgspec.inspect.Type) -> st.SearchStrategy[Any]:
    match kind:
        case msgspec.inspect.StrType():
            return texts
        case msgspec.inspect.IntType():
            return _SCALARS[int]
        case msgspec.inspect.FloatType():
            return _SCALARS[float]
        case msgspec.inspect.BoolType():
            return _SCALARS[bool]
        case msgspec.inspect.DateTimeType():
            return moments
        case msgspec.inspect.NoneType():
            return st.none()
        case msgspec.inspect.LiteralType(values=values):
            return st.sampled_from(values)
        case msgspec.inspect.UnionType(types=types):
            return reduce(or_, map(_of, types))
        case msgspec.inspect.VarTupleType(item_type=item):
            return st.lists(_of(item), max_size=3).map(tuple)
        case msgspec.inspect.DictType(value_type=msgspec.inspect.StrType()):
            return st.dictionaries(texts, texts, max_size=3)
        case msgspec.inspect.DictType():
            return blocks
        case msgspec.inspect.StructType(cls=cls):
            return facts(cls)
    raise AssertionError(f"no strategy for {kind}")


def facts(cls: type[Any]) -> st.SearchStrategy[Any]:
    """Any value of one struct."""
    shape = msgspec.inspect.type_info(cls)
    assert isinstance(shape, msgspec.inspect.StructType)
    return st.builds(cls, **{field.name: _of(field.type) for field in shape.fields})


any_fact = st.one_of(*map(facts, TASK_EVENTS))
any_draft = st.builds(
    Draft,
    id=st.from_regex(r"[a-z0-9_]{1,64}", fullmatch=True).map(EventId),
    at=moments,
    by=texts,
    cause=texts,
    event=any_fact,
)


def recorded(
    event: Any, version: int = 1, *, at: datetime | None = None, history: History = HISTORY
) -> Recorded:
    """An event at its place; a second later than the one before."""
    when = at or BEGINNING + timedelta(seconds=version)
    draft = Draft(id=EventId(f"evt_{version}"), at=when, by="test", event=event)
    return codec.decode(history, version, codec.encode(history, version, draft))


def story(*told: Any, history: History = HISTORY) -> list[Recorded]:
    """A history of these facts."""
    return [recorded(event, version, history=history) for version, event in enumerate(told, 1)]
