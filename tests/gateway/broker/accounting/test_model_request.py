"""The broker passes on of a model call what was parsed and priced, and nothing else."""

import json
import tracemalloc
from time import process_time

import pytest

from events.protocol.model_prices import (
    OFFERED,
    affordable_output_tokens,
    billed_model,
    most_microusd,
)
from services.gateway.broker.accounting.model_request import (
    MAX_VALUES,
    MIN_OUTPUT_TOKENS,
    ModelRequest,
    UnsupportedCall,
    check_betas,
    read,
)
from services.gateway.broker.accounting.usage_parser import UsageParser
from tests.gateway.kit.provider_stream import START, event, parser_after

BODY = (
    b'{"model":"claude-haiku-5-5","max_tokens":32000,"messages":[{"role":"user","content":[{"type":'
    b'"tool_use","id":"c","name":"n","input":{"a":1.10,"b":12345678901234567890123,"c":1E+400,'
    b'"d":"\\u00e9 \\ud83d\\ude00"}}]}],"stream":true}'
)


def passed_on(body):
    request = ModelRequest(body)
    return request.encoded(request.priced)


def test_what_is_sent_on_is_what_was_parsed_with_every_number_as_it_was():
    request = ModelRequest(BODY)

    sent = request.encoded(request.priced)

    assert b'"a":1.10,"b":12345678901234567890123,"c":1E+400' in sent
    assert "\u00e9 \U0001f600".encode() in sent
    assert list(json.loads(sent)) == ["model", "max_tokens", "messages", "stream"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"claude-fable-5-1","max_tokens":9,"messages":[],"model":"claude-haiku-5-5"}',
        b'{"model":"m","max_tokens":32000,"messages":[],"max_tokens":1}',
        b'{"model":"m","messages":[{"role":"user","content":"a","content":"b"}]}',
        b'{"model":"m","messages":[{"role":"user","content":"\\ud800"}]}',
        b'{"model":"m","messages":[],"max_tokens":NaN}',
        b'{"model":"m","messages":[],"max_tokens":1.5}',
        b'{"model":"m","messages":[],"metadata":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        "{}".encode("utf-16"),
        b"null",
    ],
)
def test_what_could_be_read_in_two_ways_or_not_at_all_is_refused(body):
    with pytest.raises(UnsupportedCall):
        passed_on(body)


def test_only_betas_that_leave_the_price_alone_pass():
    check_betas("")
    check_betas("interleaved-thinking-2025-05-14, fine-grained-tool-streaming-2025-05-14")
    for beta in ("context-1m-2025-08-07", "files-api-2025-04-14", "a,b", "x" * 9_000):
        with pytest.raises(UnsupportedCall):
            check_betas(f"interleaved-thinking-2025-05-14,{beta}")


@pytest.mark.parametrize(
    "name",
    ["claude-opus-4-1", "claude-fable-6", "claude-haiku-5-5-turbo", "claude-opus-5x", "claude", ""],
)
def test_an_unknown_model_is_charged_no_less_than_any_known_one(name):
    for known in OFFERED:
        for shape in ((1_000_000, 0, False), (0, 1_000, False), (1_000, 0, True)):
            prompt, output, hourly = shape
            asked = {"prompt_tokens": prompt, "output_tokens": output, "is_hourly": hourly}
            assert most_microusd(name, **asked) >= most_microusd(known, **asked)


def test_a_call_is_charged_by_the_model_that_answered_if_its_price_is_known():
    assert billed_model("claude-opus-5", "claude-opus-5-20260101") == "claude-opus-5-20260101"
    assert billed_model("claude-opus-5", "llama-4") == "claude-opus-5"
    assert billed_model("claude-opus-5", "") == "claude-opus-5"


@pytest.mark.parametrize("left", [0, 1, 9_999, 50_000, 123_457, 10_000_000])
@pytest.mark.parametrize("model", ["claude-sonnet-5-5", "claude-fable-5-1", "other"])
def test_the_longest_answer_that_is_paid_for_costs_no_more_than_what_is_left(model, left):
    prompt = {"prompt_tokens": 3_001, "is_hourly": False}
    tokens = affordable_output_tokens(model, left_microusd=left, **prompt)

    if tokens:
        assert most_microusd(model, output_tokens=tokens, **prompt) <= left
    assert most_microusd(model, output_tokens=tokens + 1, **prompt) > left


def test_an_answer_is_cut_to_the_money_left_but_not_to_nothing():
    priced = read(BODY)
    assert priced.within(10**9) == priced
    shorter = priced.within(priced.estimate().max_microusd - 1)
    assert MIN_OUTPUT_TOKENS < shorter.output_tokens < priced.output_tokens
    assert priced.within(0).output_tokens == MIN_OUTPUT_TOKENS
    assert json.loads(ModelRequest(BODY).encoded(shorter))["max_tokens"] == shorter.output_tokens


STOP = event("message_stop")


def delta(**usage):
    return event("message_delta", delta={}, usage=usage)


def test_no_later_count_takes_an_earlier_one_back():
    parser = parser_after(
        START, delta(output_tokens=40), delta(output_tokens=3, input_tokens=0), STOP
    )

    assert parser.is_whole
    assert (parser.count.usage.output_tokens, parser.count.usage.input_tokens) == (40, 7)


def test_a_second_beginning_changes_nothing_but_upwards():
    again = event("message_start", message={"model": "claude-haiku-5-5", "usage": {}})
    parser = parser_after(START, again, delta(output_tokens=4), STOP)

    assert (parser.model, parser.count.usage.input_tokens) == ("claude-sonnet-5-5", 7)


@pytest.mark.parametrize(
    "odd",
    [
        b"",
        delta(output_tokens="40"),
        delta(output_tokens=-1),
        delta(output_tokens=10**30),
        delta(output_tokens=1.5),
        b"event: message_delta\ndata: {broken\n\n",
        b"event: message_delta\ndata: " + b"[" * 100_000 + b"\n\n",
    ],
)
def test_an_answer_whose_counts_are_missing_or_odd_is_not_whole(odd):
    assert not parser_after(START, odd, STOP).is_whole


def test_a_message_without_its_total_is_not_whole():
    parser = UsageParser(is_stream=False)
    parser.feed(b'{"model": "m", "usage": {"input_tokens": 5}}')
    parser.end()
    assert not parser.is_whole


def test_a_repeated_name_among_very_many_is_found_at_once():
    names = b",".join(b'"n%d":0' % number for number in range(60_000))
    body = BODY[:-1] + b',"metadata":{' + names + b',"n59999":1}}'

    began = process_time()
    with pytest.raises(UnsupportedCall, match="'n59999' stands twice"):
        ModelRequest(body)

    assert process_time() - began < 5  # comparing each with each takes a minute


@pytest.mark.parametrize("value", [b"[],", b"{},", b"1,", b'"",'])
def test_more_values_than_memory_is_for_are_refused_before_they_are_decoded(value):
    body = BODY[:-1] + b',"metadata":{"user_id":[' + value * MAX_VALUES + b"0]}}"

    tracemalloc.start()
    try:
        with pytest.raises(UnsupportedCall, match="values"):
            ModelRequest(body)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak_bytes < 4 * len(body)


def test_commas_and_brackets_of_a_text_are_no_values():
    text = b"[,{" * MAX_VALUES
    assert ModelRequest(BODY[:-1] + b',"system":"' + text + b'"}').priced


@pytest.mark.parametrize("field", ["stop_sequences", "metadata", "diagnostics"])
def test_what_cannot_be_written_is_refused_before_it_is_paid_for(field):
    body = BODY[:-1] + b',"%s":["\\ud800"]}' % field.encode()

    with pytest.raises(UnsupportedCall):
        ModelRequest(body)
