"""The documents: a struct as a schema, what of a shape may change, what `make docs` does."""

import json
from datetime import datetime
from typing import Any, Literal

import msgspec
import pytest
from jsonschema import Draft202012Validator
from nats.js.errors import NotFoundError

from events import event_subject
from infra.documents import Message, Part, Schemas, changes, document, event_schemas, stale, write
from infra.documents.files import Refused, encode_document
from infra.log.jetstream import JetStreamLog, connect
from infra.log.jetstream.connection.api import DEAD_LETTERS
from tests.kit.build.event_logs import new_history, reading
from tests.kit.laws.documents import require_message
from tests.kit.probe.eventually import eventually

TAG = "budget.exhausted"
PATH = f"schemas/{TAG}.1.json"


class Inner(msgspec.Struct, omit_defaults=True):
    url: str
    branch: str = "main"


class Shape(msgspec.Struct, tag="shape", tag_field="type"):
    """A shape of its own."""

    text: str
    inner: Inner
    at: datetime
    state: Literal["on", "off"] = "on"
    count: int = 0
    share: float | None = None
    parts: tuple[Inner, ...] = ()
    words: list[str] = msgspec.field(default_factory=list)
    free: dict[str, Any] | None = None


def schema(kind: type[msgspec.Struct]) -> dict[str, Any]:
    schemas = Schemas()
    return {**schemas.members(kind), "$defs": schemas.named}


def altered(change: str, **fields: Any) -> list[tuple[str, bool]]:
    """Return the changes of a shape {`kept`, and the field under `change`}: (field, is growth)."""
    before, after = fields["before"], fields["after"]
    one = msgspec.defstruct("One", [("kept", str), *([(change, *before)] if before else [])])
    other = msgspec.defstruct("One", [("kept", str), *([(change, *after)] if after else [])])
    return [(c.field, c.is_growth) for c in changes(schema(one), schema(other))]


def test_a_struct_and_its_schema_agree_on_what_is_said() -> None:
    value = Shape("a", Inner("u"), datetime(2026, 1, 1), parts=(Inner("x", "y"),), free={"a": [1]})
    validator = Draft202012Validator(schema(Shape))

    said = msgspec.json.decode(msgspec.json.encode(value))
    assert not list(validator.iter_errors(said))
    assert not validator.is_valid(said | {"state": "broken"})
    assert not validator.is_valid(said | {"parts": [{"branch": "b"}]})


def test_a_schema_says_title_words_tag_defaults_and_times() -> None:
    made = schema(Shape)

    assert (made["title"], made["description"]) == ("Shape", "A shape of its own.")
    assert made["properties"]["type"] == {"const": "shape"}
    assert made["properties"]["at"] == {"type": "string", "format": "date-time"}
    assert made["properties"]["words"]["default"] == []
    assert made["required"] == ["type", "text", "inner", "at"]


def test_two_structs_of_one_name_are_refused() -> None:
    other = msgspec.defstruct("Inner", [("x", int)])
    schemas = Schemas()
    schemas.of(Inner)

    with pytest.raises(TypeError, match="share a name"):
        schemas.of(other)


def test_a_type_without_a_schema_is_refused_and_not_left_open() -> None:
    with pytest.raises(TypeError, match="No JSON Schema is known"):
        Schemas().of(set[int])


def test_two_parts_of_one_name_are_refused() -> None:
    part = Part((), (), (Message("hello", "", {}),))

    with pytest.raises(ValueError, match="called hello"):
        document(Schemas(), [part, part])


GROWTH = {
    "a new optional field": (None, (int, 0)),
    "a required field that may be left out": ((int,), (int, 0)),
    "a value more": ((Literal["a"],), (Literal["a", "b"],)),
    "an alternative more": ((int,), (int | None,)),
    "a nested optional field": (
        (msgspec.defstruct("N", [("a", int)]),),
        (msgspec.defstruct("N", [("a", int), ("b", int, 0)]),),
    ),
    "a nested optional field behind null": (
        (msgspec.defstruct("N", [("a", int)]) | None, None),
        (msgspec.defstruct("N", [("a", int), ("b", int, 0)]) | None, None),
    ),
    "a nested optional field in a list": (
        (list[msgspec.defstruct("N", [("a", int)])],),  # type: ignore[misc]
        (list[msgspec.defstruct("N", [("a", int), ("b", int, 0)])],),  # type: ignore[misc]
    ),
}
BREAK = {
    "a field gone": ((int, 0), None),
    "a required field more": (None, (int,)),
    "another type": ((int,), (str,)),
    "a time made a word": ((datetime,), (str,)),
    "a number made whole": ((float, 0.0), (int, 0)),
    "another default": ((int, 0), (int, 1)),
    "an optional field that must be said": ((int, 0), (int,)),
    "a value less": ((Literal["a", "b"],), (Literal["a"],)),
    "an alternative less": ((int | None, None), (int, 0)),
    "one alternative retyped": ((int | None, None), (str | None, None)),
    "other items": ((list[int],), (list[str],)),
    "a map made a struct": ((dict[str, int],), (Inner,)),
    "a nested field gone": (
        (msgspec.defstruct("N", [("a", int), ("b", int, 0)]) | None, None),
        (msgspec.defstruct("N", [("a", int)]) | None, None),
    ),
}


@pytest.mark.parametrize(("before", "after"), GROWTH.values(), ids=GROWTH)
def test_a_shape_may_grow(before: Any, after: Any) -> None:
    found = altered("x", before=before, after=after)

    assert found
    assert all(is_growth for _, is_growth in found)


@pytest.mark.parametrize(("before", "after"), BREAK.values(), ids=BREAK)
def test_any_other_change_breaks_a_shape(before: Any, after: Any) -> None:
    assert not all(is_growth for _, is_growth in altered("x", before=before, after=after))


@pytest.mark.parametrize(
    "same", [*(after for _, after in GROWTH.values()), *(before for before, _ in BREAK.values())]
)
def test_the_same_shape_has_not_changed(same: Any) -> None:
    assert altered("x", before=same, after=same) == []


def test_other_words_are_no_change() -> None:
    made = schema(Shape)

    assert changes(made, {**made, "title": "Other", "description": "said otherwise"}) == []


def test_a_change_deep_inside_is_told_by_its_place() -> None:
    nested = msgspec.defstruct("N", [("a", list[Inner])])
    other = msgspec.defstruct("N", [("a", list[msgspec.defstruct("Inner", [("url", str)])])])  # type: ignore[misc]

    assert [c.field for c in changes(schema(nested), schema(other))] == ["a[].branch"]


@pytest.fixture
def documents() -> dict[str, Any]:
    return {f"schemas/{name}": made for name, made in event_schemas().items()}


def test_documents_are_written_once_and_then_are_not_stale(tmp_path, documents) -> None:
    assert stale(tmp_path, documents)
    assert set(write(tmp_path, documents)) == set(documents)
    assert write(tmp_path, documents) == []
    assert stale(tmp_path, documents) == []


def kept_as(folder, documents, **properties) -> dict[str, Any]:
    """Write the documents as if this tag's shape had been another once."""
    write(folder, documents)
    shape = msgspec.json.decode(encode_document(documents[PATH]))
    shape["properties"] |= properties
    (folder / PATH).write_bytes(encode_document(shape))
    return shape


def test_a_shape_that_has_grown_asks_for_make_docs_only(tmp_path, documents) -> None:
    shape = kept_as(tmp_path, documents)
    shape["properties"]["scope"]["enum"].remove("wall")
    (tmp_path / PATH).write_bytes(encode_document(shape))

    [told] = stale(tmp_path, documents)

    assert "make docs" in told
    assert write(tmp_path, documents) == [PATH]
    assert stale(tmp_path, documents) == []


def test_a_shape_that_has_changed_is_refused_with_what_to_do(tmp_path, documents) -> None:
    kept_as(tmp_path, documents, gone={"type": "integer"}, spent={"type": "string"})
    before = (tmp_path / PATH).read_bytes()

    [told] = stale(tmp_path, documents)
    with pytest.raises(Refused, match="without a new schema version"):
        write(tmp_path, documents)

    assert "`gone` is gone" in told
    assert "`spent` was string and is now integer" in told
    assert "events/upcast.py" in told
    assert "make docs" in told
    assert (tmp_path / PATH).read_bytes() == before


def test_the_document_of_a_fact_nobody_knows_is_refused(tmp_path, documents) -> None:
    write(tmp_path, documents)
    (tmp_path / "schemas" / "task.invented.1.json").write_text("{}")

    [told] = stale(tmp_path, documents)

    assert "bring `task.invented` back" in told


def test_a_shape_whose_upcaster_is_gone_is_refused(tmp_path, documents) -> None:
    write(tmp_path, documents)
    (tmp_path / "schemas" / f"{TAG}.2.json").write_text("{}")

    with pytest.raises(Refused, match="Upcasters are for ever"):
        write(tmp_path, documents)


def test_the_document_of_a_retired_shape_stays(tmp_path, documents) -> None:
    following = {
        (path if path != PATH else f"schemas/{TAG}.2.json"): made
        for path, made in documents.items()
    }
    write(tmp_path, {path: documents[path] for path in documents})

    written = write(tmp_path, {p: m for p, m in following.items() if p != f"schemas/{TAG}.2.json"})

    assert written == []
    assert (tmp_path / PATH).exists()


async def test_a_dead_letter_has_the_headers_that_its_document_names(servers) -> None:
    subject = event_subject(new_history())
    credentials = servers.credentials("operator")
    async with connect(
        servers.nats_url, credentials=credentials, name="test", keys=servers.event_keys
    ) as connection:
        told = await connection.request(subject, b"no event", within_seconds=5)
        place = json.loads(told.data)["seq"]
        name = f"documents-{place}"

        jetstream = connection.client.jetstream()

        async def parked() -> Any:
            try:
                return await jetstream.get_last_msg(DEAD_LETTERS, f"dead.{name}")
            except NotFoundError:
                return None

        async with reading(JetStreamLog(connection), name, after=place - 1):
            letter = await eventually(parked)

    assert letter.data == b"no event"
    require_message("dead", letter.headers, what="headers")
