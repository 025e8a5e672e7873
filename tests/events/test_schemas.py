"""Whatever a fact may say, the document of its shape allows; and no more than that."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from events import Draft, codec
from events.upcast import newest_schema
from tests.kit.build.any_event import HISTORY, TASK_EVENTS, any_draft, facts, recorded
from tests.kit.laws.documents import require_message, require_stored, stored_schema

TAGS = [event.__struct_config__.tag for event in TASK_EVENTS]


@given(draft=any_draft, version=st.integers(1, 2**53))
def test_any_event_is_what_its_document_says(draft: Draft[Any], version: int) -> None:
    require_stored(codec.encode(HISTORY, version, draft))


@given(data=st.data())
def test_any_event_is_what_the_asyncapi_document_says(data: st.DataObject) -> None:
    event = data.draw(st.sampled_from(TASK_EVENTS))
    body = json.loads(recorded(data.draw(facts(event))).body)

    require_message(body["type"], body)
    require_message("frame", [body])


@given(data=st.data())
def test_an_event_that_lacks_what_it_must_say_is_refused(data: st.DataObject) -> None:
    event = data.draw(st.sampled_from(TASK_EVENTS))
    body = json.loads(recorded(data.draw(facts(event))).body)
    required = stored_schema(body["type"], newest_schema(body["type"]))["required"]
    del body[data.draw(st.sampled_from([name for name in required if name != "type"]))]

    with pytest.raises(AssertionError, match="is a required property"):
        require_stored(json.dumps(body).encode())


@pytest.mark.parametrize("field", ["version", "at", "by", "invented"])
@given(data=st.data())
def test_an_event_of_another_shape_is_refused(field: str, data: st.DataObject) -> None:
    event: Any = data.draw(st.sampled_from(TASK_EVENTS))
    body = json.loads(recorded(data.draw(facts(event))).body)
    body[field] = [] if field != "at" else "yesterday"

    with pytest.raises(AssertionError):
        require_stored(json.dumps(body).encode())


@pytest.mark.parametrize("tag", TAGS)
def test_every_document_is_a_json_schema(tag: str) -> None:
    schema = stored_schema(tag, newest_schema(tag))

    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    assert schema["$id"] == f"urn:errand:event:{tag}:{newest_schema(tag)}"
    assert schema["description"]
