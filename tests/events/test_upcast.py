"""Retired shapes: what was stored in one is read as if it had been stored in the newest."""

import json
from types import MappingProxyType

import msgspec
import pytest

from events import BudgetRaised, TaskInterrupted, codec
from events.upcast import UPCASTERS, Unreadable, newest_schema, upcast
from tests.events.specimens import TASK_EVENTS
from tests.kit.build.any_event import HISTORY, recorded

# Once, a raise was said in dollars, then in cents, and only then in millionths of a dollar.
DOLLARS = recorded(BudgetRaised(cost_microusd=1)).body.replace(b'"cost_microusd":1', b'"dollars":2')
CENTS = DOLLARS.replace(b'"dollars":2', b'"cents":250').replace(b',"type"', b',"schema":2,"type"')
RETIRED = MappingProxyType(
    {
        "budget.raised": (
            lambda stored: {**stored, "cents": stored["dollars"] * 100},
            lambda stored: {**stored, "cost_microusd": stored["cents"] * 10_000},
        )
    }
)


def test_the_oldest_shape_is_read_through_every_upcaster():
    assert codec.decode(HISTORY, 1, DOLLARS, upcasters=RETIRED).event == BudgetRaised(
        cost_microusd=2_000_000
    )


def test_a_shape_in_between_is_read_through_those_that_follow_it():
    assert codec.decode(HISTORY, 1, CENTS, upcasters=RETIRED).event == BudgetRaised(
        cost_microusd=2_500_000
    )


def test_the_body_of_a_retired_shape_stays_as_it_is_stored():
    assert codec.decode(HISTORY, 1, DOLLARS, upcasters=RETIRED).body == DOLLARS


def test_the_newest_shape_says_its_schema_and_is_read_as_it_is():
    draft = recorded(BudgetRaised(cost_microusd=7))

    body = codec.encode(HISTORY, 1, draft, upcasters=RETIRED)

    assert json.loads(body)["schema"] == 3
    assert list(json.loads(body)).index("schema") < list(json.loads(body)).index("type")
    assert codec.decode(HISTORY, 1, body, upcasters=RETIRED).event == BudgetRaised(cost_microusd=7)


def test_a_fact_whose_shape_was_never_retired_is_untouched():
    draft = recorded(TaskInterrupted())

    assert codec.encode(HISTORY, 1, draft, upcasters=RETIRED) == draft.body
    assert b"schema" not in draft.body
    assert codec.decode(HISTORY, 1, draft.body, upcasters=RETIRED).event == TaskInterrupted()


@pytest.mark.parametrize("schema", [-1, 0, 4, 2**40])
def test_a_schema_that_is_not_known_yet_is_refused_and_never_guessed(schema):
    body = CENTS.replace(b'"schema":2', b'"schema":%d' % schema)

    with pytest.raises(msgspec.ValidationError, match=f"schema {schema}.* reads 1 to 3"):
        codec.decode(HISTORY, 1, body, upcasters=RETIRED)


def test_today_a_schema_above_the_newest_is_refused():
    body = recorded(TaskInterrupted()).body[:-1] + b',"schema":99}'

    with pytest.raises(msgspec.ValidationError, match="schema 99"):
        codec.decode(HISTORY, 1, body)


@pytest.mark.parametrize("dollars", [b"null", b'{"a":1}'])
def test_a_body_that_is_not_of_its_retired_shape_is_refused(dollars):
    body = DOLLARS.replace(b'"dollars":2', b'"dollars":' + dollars)

    with pytest.raises(msgspec.ValidationError, match="its schema 1"):
        codec.decode(HISTORY, 1, body, upcasters=RETIRED)


def test_a_body_without_the_field_of_its_retired_shape_is_refused():
    with pytest.raises(msgspec.ValidationError, match="dollars"):
        codec.decode(HISTORY, 1, DOLLARS.replace(b"dollars", b"pounds"), upcasters=RETIRED)


def test_an_upcaster_gets_the_envelope_too():
    seen = []

    def look(stored):
        seen.append(stored["at"])
        return {**stored, "type": "task.interrupted"}

    upcast(json.loads(DOLLARS), "x", 1, {"x": (look,)})

    assert seen == ["2026-01-01T00:00:01Z"]


def test_an_unknown_version_is_unreadable_in_words():
    with pytest.raises(Unreadable, match="edition"):
        upcast({}, "budget.raised", 9, RETIRED)


def test_upcasters_belong_to_facts_that_there_are():
    assert set(UPCASTERS) <= {event.__struct_config__.tag for event in TASK_EVENTS}


def test_what_is_stored_today_says_the_schema_of_its_tag():
    for event in TASK_EVENTS:
        tag = event.__struct_config__.tag
        assert newest_schema(tag) == 1 + len(UPCASTERS.get(tag, ()))


@pytest.mark.parametrize("event", TASK_EVENTS, ids=lambda event: event.__name__)
def test_no_fact_has_a_field_called_schema(event):
    assert "schema" not in {field.encode_name for field in msgspec.structs.fields(event)}
