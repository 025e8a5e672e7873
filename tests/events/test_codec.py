"""Stored bytes of every event: encoded and decoded again."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import Draft, EventId, TaskInterrupted, codec
from tests.kit.build.any_event import BEGINNING, HISTORY, TASK_EVENTS, any_draft, facts, recorded

ENVELOPE = ["id", "task", "version", "at", "by", "cause"]


@given(draft=any_draft, version=st.integers(1, 2**53))
def test_every_event_comes_back_from_its_bytes(draft: Draft[Any], version: int) -> None:
    body = codec.encode(HISTORY, version, draft)

    back = codec.decode(HISTORY, 7, body)

    assert back.event == draft.event
    assert type(back.event) is type(draft.event)
    assert (back.id, back.at, back.by, back.cause) == (draft.id, draft.at, draft.by, draft.cause)
    assert (back.account, back.task) == (HISTORY.account, HISTORY.task)
    assert (back.version, back.sequence) == (version, 7)
    assert back.body == body


@given(draft=any_draft)
def test_the_same_event_is_always_the_same_bytes(draft: Draft[Any]) -> None:
    body = codec.encode(HISTORY, 3, draft)
    back = codec.decode(HISTORY, 9, body)
    again = Draft(id=back.id, at=back.at, by=back.by, cause=back.cause, event=back.event)

    assert codec.encode(HISTORY, 3, again) == body


@given(draft=any_draft)
def test_the_envelope_stands_first_and_the_tag_after_it(draft: Draft[Any]) -> None:
    stored = json.loads(codec.encode(HISTORY, 3, draft))

    assert list(stored)[:7] == [*ENVELOPE, "type"]
    assert stored["type"] == codec.tag_of(draft.event)


@given(draft=any_draft)
def test_a_stored_event_is_one_line_of_json(draft: Draft[Any]) -> None:
    body = codec.encode(HISTORY, 3, draft)

    assert b"\n" not in body
    assert body.startswith(b'{"id":')
    assert body.endswith(b"}")


@pytest.mark.parametrize("event", TASK_EVENTS, ids=lambda event: event.__name__)
def test_no_fact_has_a_field_of_the_envelopes_name(event: type[Any]) -> None:
    names = {field.encode_name for field in msgspec.structs.fields(event)}

    assert names.isdisjoint({*ENVELOPE, "type", "t"})


def test_no_two_facts_share_a_tag() -> None:
    tags = [event.__struct_config__.tag for event in TASK_EVENTS]

    assert len(tags) == len(set(tags))


@given(data=st.data())
def test_a_word_or_count_at_its_default_is_not_stored(data: st.DataObject) -> None:
    cls = data.draw(st.sampled_from(TASK_EVENTS))
    fact = data.draw(facts(cls))
    stored = json.loads(recorded(fact).body)
    for field in msgspec.structs.fields(cls):
        if isinstance(field.default, str | int) and getattr(fact, field.name) == field.default:
            assert field.name not in stored


def test_a_fact_without_fields_is_still_well_spelled() -> None:
    draft = Draft(id=EventId("evt_1"), at=BEGINNING, by="person:per_1", event=TaskInterrupted())

    assert codec.encode(HISTORY, 2, draft) == (
        b'{"id":"evt_1","task":"task_bbbbbbbbbbbbbbbbbbbbbbbbbb","version":2,'
        b'"at":"2026-01-01T00:00:00Z","by":"person:per_1","cause":"","type":"task.interrupted"}'
    )


def test_an_unknown_tag_is_refused() -> None:
    body = recorded(TaskInterrupted()).body.replace(b"task.interrupted", b"task.invented")

    with pytest.raises(msgspec.ValidationError):
        codec.decode(HISTORY, 1, body)


def test_a_field_nobody_knows_yet_is_passed_over() -> None:
    body = recorded(TaskInterrupted()).body[:-1] + b',"invented":[1,2]}'

    assert codec.decode(HISTORY, 1, body).event == TaskInterrupted()
