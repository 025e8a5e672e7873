"""The broker's arithmetic: what a call may cost, what an answer used, which spend limits apply."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from events import Usage
from events.protocol.model_prices import cost_microusd, most_microusd
from services.gateway.broker.accounting.model_request import (
    MAX_PROMPT_TOKENS,
    UnsupportedCall,
    read,
)
from services.gateway.broker.accounting.reconciliation import (
    RecordedCall,
    attribute_usage,
    call_periods,
)
from services.gateway.broker.accounting.spend_limits import (
    BillingContext,
    LimitExceeded,
    resets_at,
    spend_limits_of,
)
from services.gateway.broker.accounting.token_usage import TokenUsage
from tests.gateway.kit.provider_stream import START, USAGE, event, parser_after

NOW = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)


DELTA = event("content_block_delta", delta={"text": 'event: message_stop\n"usage"'})
END = event("message_delta", delta={}, usage={"output_tokens": 40}) + event("message_stop")


@pytest.mark.parametrize("size", [1, 2, 7, 100, 10_000])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_a_stream_is_counted_however_it_is_cut(size, line_end):
    whole = (START + DELTA + END).replace(b"\n", line_end)
    parser = parser_after(*[whole[at : at + size] for at in range(0, len(whole), size)])
    assert parser.is_whole
    assert parser.model == "claude-sonnet-5-5"
    assert parser.count == TokenUsage(Usage(7, 40, 5, 3), hourly_tokens=2)


def test_a_stream_that_breaks_off_has_its_prompt_counted_and_is_not_whole():
    parser = parser_after(START, DELTA)
    assert (parser.has_begun, parser.is_whole) == (True, False)
    assert parser.count.usage.input_tokens == 7
    assert not parser_after(START, event("error", error={"type": "overloaded_error"})).is_whole
    assert not parser_after(event("message_stop")).is_whole


def test_a_whole_message_is_counted_at_its_end():
    body = json.dumps({"model": "m", "usage": {**USAGE, "output_tokens": 9}}).encode()
    parser = parser_after(body[:9], body[9:], is_stream=False)
    assert not parser.is_whole
    parser.end()
    assert (parser.is_whole, parser.count.usage.output_tokens) == (True, 9)
    for nothing in (b"", b"{", b"[]", b'{"type":"error"}'):
        parser = parser_after(nothing, is_stream=False)
        parser.end()
        assert not parser.is_whole


def body(**changes):
    known = {"model": "claude-sonnet-5-5", "max_tokens": 10, "messages": []}
    return json.dumps({**known, **changes}).encode()


def test_a_prompt_has_no_more_tokens_than_bytes_and_what_is_added():
    asked = body(messages=[{"role": "user", "content": "x" * 1000}])
    assert len(asked) < read(asked).prompt_tokens <= len(asked) + 3000
    image = {"type": "image", "source": {"type": "base64", "data": "aa"}}
    more = body(messages=[{"role": "user", "content": [image, image]}])
    assert read(more).prompt_tokens > 10_000
    large = {"type": "image", "source": {"type": "base64", "data": "a" * 4_000_000}}
    assert read(body(messages=[{"role": "user", "content": [large]}])).prompt_tokens < 10_000
    document = {"type": "document", "source": {"type": "base64", "data": "aa"}}
    whole = body(messages=[{"role": "user", "content": [document]}])
    assert read(whole).prompt_tokens == MAX_PROMPT_TOKENS


def test_a_prompt_that_is_kept_for_an_hour_is_dearer():
    hour = {"type": "ephemeral", "ttl": "1h"}
    for asked in (body(cache_control=hour), body(tools=[{"name": "t", "cache_control": hour}])):
        assert read(asked).is_hourly
        assert read(asked).estimate().max_microusd > read(body()).estimate().max_microusd
    assert not read(body(cache_control={"type": "ephemeral"})).is_hourly


def test_once_it_has_begun_only_the_answer_is_uncertain():
    priced = read(body(max_tokens=100))
    begun = priced.estimate(TokenUsage(Usage(50, 1, 0, 1000)))
    assert begun.max_microusd == 50 * 2 + 1000 // 10 + 100 * 10 < priced.estimate().max_microusd


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"\xff", b'{"model": 1}', b"[" * 100_000])
def test_what_is_no_request_is_refused(text):
    with pytest.raises(UnsupportedCall):
        read(text)


@pytest.mark.parametrize(
    "usage", [Usage(9_999, 500), Usage(0, 1, 9_999, 0), Usage(3, 500, 9_000, 900), Usage()]
)
@pytest.mark.parametrize("model", ["claude-haiku-5-5", "claude-opus-5", "somebody-elses"])
@pytest.mark.parametrize("is_hourly", [False, True])
def test_no_call_costs_more_than_was_set_aside(usage, model, is_hourly):
    most = most_microusd(model, prompt_tokens=10_000, output_tokens=500, is_hourly=is_hourly)
    hourly = usage.cache_creation_input_tokens if is_hourly else 0
    assert cost_microusd(model, usage, hourly_tokens=hourly) <= most


def test_an_hour_in_the_cache_has_its_price():
    usage = Usage(cache_creation_input_tokens=1_000_000)
    assert cost_microusd("claude-sonnet-5-5", usage, hourly_tokens=400_000) == 3_100_000


def test_a_call_has_five_spend_limits():
    payer = BillingContext(account="acc", person="per", task="task", attempt=1, limit_microusd=5)
    assert [(p.name, p.max_microusd) for p in spend_limits_of(payer, NOW)] == [
        ("task:task", 5),
        ("person:per:2026-12-31", None),
        ("person:per:2026-12", None),
        ("account:acc:2026-12-31", None),
        ("account:acc:2026-12", None),
    ]


def test_purses_are_full_again_at_midnight_and_on_the_first():
    assert resets_at("day", NOW) == datetime(2027, 1, 1, tzinfo=UTC)
    assert resets_at("month", NOW) == datetime(2027, 1, 1, tzinfo=UTC)
    assert resets_at("month", datetime(2026, 2, 3, 4, tzinfo=UTC)) == datetime(
        2026, 3, 1, tzinfo=UTC
    )
    assert resets_at("task", NOW) is None


def test_a_limit_held_only_by_calls_under_way_is_told_apart():
    fields = {"scope": "person", "per": "day", "needed_microusd": 10, "limit_microusd": 100}
    held = LimitExceeded(spent_microusd=50, reserved_microusd=50, **fields)
    assert held.is_held
    assert not LimitExceeded(spent_microusd=91, reserved_microusd=0, **fields).is_held
    assert "Your budget of this day is $0.0001" in held.detail


def made(call, at, seconds=5, *, is_presumed=False, closes=True, **usage):
    return RecordedCall(
        call=call,
        model="claude-sonnet-5-5",
        is_presumed=is_presumed,
        count=TokenUsage(Usage(**usage)),
        cost_microusd=1_000,
        opened_at=NOON + timedelta(seconds=at),
        closed_at=NOON + timedelta(seconds=at + seconds) if closes else None,
    )


NOON = datetime(2026, 11, 26, 12, 0, 30, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)


def test_calls_that_share_a_minute_make_a_stretch_of_their_own():
    apart = [made("a", 0), made("b", 15, is_presumed=True), made("c", 200), made("d", 300)]
    [stretch] = call_periods(apart, LATER)
    assert [call.call for call in stretch.calls] == ["a", "b"]
    assert (stretch.since.minute, stretch.until.minute) == (0, 1)
    [stretch] = call_periods([*apart, made("e", 10, seconds=250)], LATER)
    assert [call.call for call in stretch.calls] == ["a", "e", "b", "c"]


def test_a_stretch_is_not_asked_about_too_early_too_late_or_while_a_call_is_under_way():
    lost = made("a", 0, is_presumed=True)
    assert call_periods([lost], LATER)
    assert not call_periods([lost], NOON + timedelta(minutes=6))
    assert not call_periods([lost], NOON + timedelta(days=2))
    assert not call_periods([lost, made("b", 1, closes=False)], LATER)
    assert not call_periods([made("a", 0)], LATER)


def test_what_the_report_has_beyond_what_was_settled_is_the_presumed_calls():
    settled = made("a", 0, input_tokens=10, output_tokens=20)
    begun = made("b", 1, is_presumed=True, input_tokens=10, output_tokens=1)
    unseen = made("c", 2, is_presumed=True)
    [stretch] = call_periods([settled, begun, unseen], LATER)
    found = attribute_usage(
        stretch, {"claude-sonnet-5-5-20261001": TokenUsage(Usage(30, 52, 4, 0), 3)}
    )
    assert sum(count.usage.input_tokens for count in found.values()) == 20
    assert sum(count.usage.output_tokens for count in found.values()) == 32
    assert sum(count.usage.cache_creation_input_tokens for count in found.values()) == 4
    assert sum(count.hourly_tokens for count in found.values()) == 3
    assert found["b"].usage.input_tokens >= 10
    assert attribute_usage(stretch, {"claude-sonnet-5-5": TokenUsage(Usage(19, 52))}) == {}
    assert attribute_usage(stretch, {"claude-opus-5": TokenUsage(Usage(30, 52))}) == {}
    others_too = TokenUsage(Usage(30, 1_000))  # more than these calls can have cost
    assert attribute_usage(stretch, {"claude-sonnet-5-5": others_too}) == {}
