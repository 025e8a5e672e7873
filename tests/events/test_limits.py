"""Any bytes can stand in the log: what is an event is read, everything else is refused in words."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import (
    ApprovalRequested,
    AttemptStarted,
    CallId,
    Draft,
    EventId,
    MachineId,
    MachineRefused,
    ModelFailed,
    ModelReplied,
    PlanItem,
    PlanUpdated,
    RequestId,
    TaskFinished,
    TaskInstructed,
    ToolCompleted,
    Usage,
    codec,
    event_subject,
)
from events.limits import (
    MAX_COUNT,
    MAX_DEPTH,
    MAX_EVENT_BYTES,
    MAX_TEXT_CHARACTERS,
    bounded,
    has_more_values,
    is_too_deep,
)
from infra.log.jetstream.read.decode import InvalidEvent, read_event
from tests.events.specimens import specimens
from tests.kit.build.any_event import BEGINNING, HISTORY, TASK_EVENTS, facts, recorded

APPROVAL = ApprovalRequested(
    request=RequestId("req_1"),
    call=CallId("toolu_1"),
    tool="bash",
    title="ls",
    digest="d",
    covers="c",
    expires_at=BEGINNING,
)
TIMES = [
    "2026-01-01T00:00:00",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "1999-12-31T23:59:59Z",
    "2101-01-01T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "yesterday",
    "",
    0,
    None,
]


def stored(fact: Any, **changes: Any) -> bytes:
    """A stored event in which some fields are something else."""
    return json.dumps(json.loads(recorded(fact, 3).body) | changes).encode()


def deep(levels: int, opening: str = "[", closing: str = "]") -> bytes:
    reply = ModelReplied(turn=1, stop_reason="tool_use", usage=Usage(), cost_microusd=0)
    inside = opening * levels + closing.replace("{", "}") * levels
    return recorded(reply, 3).body[:-1] + b',"blocks":[{"input":%s}]}' % inside.encode()


def refused(body: bytes) -> str:
    with pytest.raises(msgspec.DecodeError):
        codec.decode(HISTORY, 1, body)
    with pytest.raises(InvalidEvent) as reason:
        read_event(event_subject(HISTORY), 1, body)
    return str(reason.value)


@pytest.mark.parametrize("moment", TIMES)
@pytest.mark.parametrize("field", ["at", "expires_at"])
def test_a_time_without_zone_or_out_of_range_is_no_event(field: str, moment: object) -> None:
    assert f"$.{field}" in refused(stored(APPROVAL, **{field: moment}))


def test_no_fact_has_a_time_that_is_not_checked() -> None:
    kinds = [
        kind
        for kind in TASK_EVENTS
        if any("datetime" in repr(field.type) for field in msgspec.structs.fields(kind))
    ]

    assert (
        {kind.__name__ for kind in kinds}
        == {kind.__name__ for kind in codec._HAS_MOMENTS}
        >= {"ApprovalRequested", "ModelFailed", "MachineLost", "BudgetExhausted"}
    )
    for kind in kinds:
        for field in msgspec.structs.fields(kind):
            if "datetime" in repr(field.type):
                body = recorded(next(specimens(kind)), 3).body
                for moment in TIMES[:-1]:  # None is what an unset time may be
                    spoiled = json.loads(body) | {field.name: moment}
                    refused(json.dumps(spoiled).encode())


@pytest.mark.parametrize(
    ("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"]":', "}]")], ids=["[", "{", "[{"]
)
@pytest.mark.parametrize("levels", [MAX_DEPTH, 500, 985, 5000, 20_000])
def test_what_is_nested_too_deep_is_no_event(levels: int, opening: str, closing: str) -> None:
    inside = "1" if opening.endswith(":") else ""
    reply = ModelReplied(turn=1, stop_reason="tool_use", usage=Usage(), cost_microusd=0)
    nested = (opening * levels + inside + closing * levels).encode()
    for field in (b"blocks", b"nobody_knows_this_field"):
        body = recorded(reply, 3).body[:-1] + b',"%s":[{"input":%s}]}' % (field, nested)
        assert "deep" in refused(body)


@pytest.mark.parametrize("levels", [1, 2, 50, MAX_DEPTH - 3])
def test_what_is_nested_as_tools_nest_is_an_event(levels: int) -> None:
    assert codec.decode(HISTORY, 1, deep(levels)).version == 3


json_values = st.recursive(
    st.none() | st.text("[]{}\\\"',a", max_size=8) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('[{\\"}]'), inner),
    max_leaves=12,
)


@given(value=json_values, levels=st.integers(0, 2 * MAX_DEPTH))
def test_depth_is_counted_as_a_parser_would(value: Any, levels: int) -> None:
    for _ in range(levels):
        value = [value, "[[[[{{{{\\"] if levels % 2 else {']}"': value, "[": "["}

    assert is_too_deep(json.dumps(value).encode()) == (_depth(value) > MAX_DEPTH)


def _depth(value: Any) -> int:
    match value:
        case dict():
            return 1 + max(map(_depth, value.values()), default=0)
        case list():
            return 1 + max(map(_depth, value), default=0)
        case _:
            return 0


@pytest.mark.parametrize(
    "piece", [b'\\"', b'"', b'"\\', b"[", b"{[", b'["', b"[]", b"\\", b'"[\\"', b"\x00[", b"\xff{"]
)
def test_depth_is_counted_in_linear_time(piece: bytes) -> None:
    body = b"[" * (MAX_DEPTH + 1) + piece * (MAX_EVENT_BYTES // len(piece))
    began = time.process_time()

    is_too_deep(body)
    is_too_deep(b'["' * (MAX_DEPTH + 1) + piece * (MAX_EVENT_BYTES // len(piece)))

    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    ("fact", "changes"),
    [
        (TaskInstructed(text="x"), {"version": 0}),
        (TaskInstructed(text="x"), {"version": -1}),
        (TaskInstructed(text="x"), {"version": 2**53 + 1}),
        (TaskInstructed(text="x"), {"version": 10**400}),
        (TaskInstructed(text="x"), {"version": 1.5}),
        (TaskInstructed(text="x"), {"version": True}),
        (TaskInstructed(text="x"), {"id": ""}),
        (TaskInstructed(text="x"), {"id": "evt_1\r\nNats-Expected-Stream: X"}),
        (TaskInstructed(text="x"), {"id": "Evt.1"}),
        (TaskInstructed(text="x"), {"id": "e" * 65}),
        (TaskInstructed(text="x"), {"by": "p" * 201}),
        (TaskInstructed(text="x"), {"cause": "p" * 201}),
        (TaskInstructed(text="x"), {"text": "x" * (MAX_TEXT_CHARACTERS + 1)}),
        (TaskInstructed(text="x"), {"text": "\ud800"}),
        (TaskInstructed(text="x"), {"text": None}),
        (TaskInstructed(text="x"), {"t": "bye"}),
        (TaskInstructed(text="x"), {"nobody_knows": "\udfff"}),
        (AttemptStarted(attempt=1, machine=MachineId("m")), {"attempt": -1}),
        (AttemptStarted(attempt=1, machine=MachineId("m")), {"attempt": 2**63}),
        (AttemptStarted(attempt=1, machine=MachineId("m")), {"machine": "m" * 201}),
        (ToolCompleted(call=CallId("c"), output=""), {"seconds": -0.1}),
        (ToolCompleted(call=CallId("c"), output=""), {"seconds": 1e300}),
        (ToolCompleted(call=CallId("c"), output=""), {"call": "c" * 201}),
        (ToolCompleted(call=CallId("c"), output=""), {"exit_code": -(2**60)}),
        (ModelFailed(turn=1, kind="k", detail="d"), {"turn": -3}),
    ],
    ids=repr,
)
def test_a_value_outside_its_limits_is_no_event(fact: Any, changes: dict[str, Any]) -> None:
    assert refused(stored(fact, **changes))


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1e"])
def test_a_number_that_is_none_is_no_event(number: bytes) -> None:
    body = recorded(ToolCompleted(call=CallId("c"), output=""), 3).body

    assert refused(body[:-1] + b',"seconds":%s}' % number)


@pytest.mark.parametrize("junk", [b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80"])
def test_bytes_that_are_no_text_are_no_event_even_where_nobody_reads_them(junk: bytes) -> None:
    body = recorded(TaskInstructed(text="x"), 3).body

    assert refused(body[:-1] + b',"nobody_knows":"%s"}' % junk)
    assert refused(body.replace(b'"text":"x"', b'"text":"%s"' % junk))


@given(
    st.binary(max_size=300)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))
)
def test_whatever_the_bytes_they_are_read_or_refused(body: bytes) -> None:
    refused(body)


@given(data=st.data(), cls=st.sampled_from(TASK_EVENTS))
def test_an_event_cut_short_is_refused(data: st.DataObject, cls: type[Any]) -> None:
    body = recorded(data.draw(facts(cls))).body

    refused(body[: data.draw(st.integers(0, len(body) - 1))])


@pytest.mark.parametrize(
    "fact",
    [
        TaskInstructed(text="x" * (MAX_TEXT_CHARACTERS + 1)),
        TaskInstructed(text="\ud800"),
        ToolCompleted(call=CallId("c"), output="", seconds=float("nan")),
        ToolCompleted(call=CallId("c"), output="", seconds=-1.0),
        AttemptStarted(attempt=-1, machine=MachineId("m")),
        ModelFailed(turn=1, kind="k", detail="d", retry_at=datetime(2026, 1, 1)),
        ModelFailed(turn=1, kind="k", detail="d", retry_at=datetime(9999, 1, 1, tzinfo=UTC)),
        ModelReplied(turn=MAX_COUNT + 1, stop_reason="end_turn", usage=Usage(), cost_microusd=0),
    ],
    ids=lambda fact: type(fact).__name__,
)
def test_nobody_can_write_what_readers_refuse(fact: Any) -> None:
    draft = Draft(id=EventId("evt_1"), at=BEGINNING, by="worker:1", event=fact)

    with pytest.raises(codec.Unwritable, match="cannot be stored"):
        codec.encode(HISTORY, 3, draft)


def test_a_block_nested_too_deep_cannot_be_written() -> None:
    value: Any = 1
    for _ in range(400):
        value = [value]
    reply = ModelReplied(
        turn=1, stop_reason="x", usage=Usage(), cost_microusd=0, blocks=({"input": value},)
    )

    with pytest.raises(codec.Unwritable, match="deep"):
        codec.encode(HISTORY, 3, Draft(id=EventId("evt_1"), at=BEGINNING, by="w", event=reply))


@pytest.mark.parametrize(
    "fact",
    [
        ModelFailed(turn=-1, kind="k" * 5000, detail="<html>" + "x" * 400_000),
        ModelFailed(turn=1, kind="k", detail="\x01" * 300_000),
        TaskFinished(summary="🙂" * 300_000, outcome="branch"),
        TaskFinished(summary="a lone \ud800 half", outcome="branch"),
        PlanUpdated(items=tuple(PlanItem("\x00" * 3000, "done") for _ in range(3000))),
        ToolCompleted(call=CallId("c" * 9000), output="", seconds=float("nan"), exit_code=2**80),
        ToolCompleted(call=CallId("c"), output="", seconds=-3.0),
        ModelReplied(
            turn=1, stop_reason="s", usage=Usage(input_tokens=-5), cost_microusd=-1, model="m" * 999
        ),
        MachineRefused(attempt=1, reason="r" * 999, retry_at=BEGINNING, detail="d" * 300_000),
    ],
    ids=lambda fact: type(fact).__name__,
)
def test_a_writer_can_bring_the_words_of_others_into_the_limits(fact: Any) -> None:
    draft = Draft(id=EventId("evt_1"), at=BEGINNING, by="w", event=bounded(fact))

    body = codec.encode(HISTORY, 3, draft)

    assert len(body) <= MAX_EVENT_BYTES
    assert codec.decode(HISTORY, 1, body).event == draft.event


@given(data=st.data(), cls=st.sampled_from(TASK_EVENTS))
def test_what_fits_is_left_as_it_is(data: st.DataObject, cls: type[Any]) -> None:
    fact = data.draw(facts(cls))

    assert bounded(fact) is fact


def test_the_limits_of_a_time_are_two_thousand_and_twenty_one_hundred() -> None:
    for moment in (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)):
        body = stored(APPROVAL, expires_at=(moment + timedelta(hours=1)).isoformat())
        assert codec.decode(HISTORY, 1, body).version == 3


@pytest.mark.parametrize(
    ("body", "depth"),
    [
        (b"", 0),
        (b"[" * 40, 40),
        (b"[" * 20 + b"]" * 20 + b"[" * 20, 20),
        (b'{"a":"' + b"[" * 90 + b'\\"[[["}', 1),
        (b'{"a":' * 33 + b"1" + b"}" * 33, 33),
    ],
)
def test_any_depth_can_be_the_limit(body, depth):
    assert not is_too_deep(body, max_depth=depth)
    assert depth == 0 or is_too_deep(body, max_depth=depth - 1)


@pytest.mark.parametrize(
    ("body", "values"),
    [
        (b"", 0),
        (b'{"a":[1,2,3]}', 5),
        (b"[[],[],[]]", 6),
        (b'["' + b"[,{" * 90 + b'\\",,"]', 2),
        (b'{"a":"b","c":"d"}', 6),
    ],
)
def test_values_are_counted_but_not_in_texts(body, values):
    assert not has_more_values(body, values)
    assert values == 0 or has_more_values(body, values - 1)
