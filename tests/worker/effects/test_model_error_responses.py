"""Errors of the model's API are named by their meaning, and never shown as they came."""

import json

import pytest

from services.worker.agent.failures.model_errors import model_failure
from services.worker.effects.model.error_responses import (
    ErrorResponse,
    model_error_of,
    retry_after_seconds,
)
from tests.kit.build.worker_history import failure

HTML = "<!DOCTYPE html><html><body>" + "<p>Bad Gateway</p>" * 1_000


def error(kind, message, **more):
    return json.dumps({"type": "error", "error": {"type": kind, "message": message, **more}})


MEANINGS = [
    (
        400,
        "invalid_request_error",
        "Your credit balance is too low to access the Anthropic API.",
        "out_of_credit",
        "credit",
    ),
    (
        400,
        "invalid_request_error",
        "You have reached your specified API usage limits. You will regain access on 2026-12-01.",
        "out_of_credit",
        "spending limit",
    ),
    (
        400,
        "invalid_request_error",
        "prompt is too long: 1000001 tokens > 1000000 maximum",
        "context_full",
        "new task",
    ),
    (
        400,
        "invalid_request_error",
        "input length and `max_tokens` exceed context limit: 199000 + 32000 > 200000",
        "context_full",
        "new task",
    ),
    (
        400,
        "invalid_request_error",
        "Output blocked by content filtering policy",
        "content_filtered",
        "other words",
    ),
    (
        400,
        "invalid_request_error",
        "messages.1.content.0: unexpected field",
        "request_refused",
        "new task",
    ),
    (
        400,
        "invalid_request_error",
        '"thinking.type.disabled" is not supported for this model.',
        "request_refused",
        "new task",
    ),
    (401, "authentication_error", "invalid x-api-key", "key_refused", "ANTHROPIC_API_KEY"),
    (402, "billing_error", "Payment required", "out_of_credit", "credit"),
    (
        403,
        "permission_error",
        "Your API key does not have permission to use the specified resource",
        "permission_refused",
        "console",
    ),
    (404, "not_found_error", "model: claude-nothing-1", "model_unknown", "another model"),
    (413, "request_too_large", "Request exceeds the maximum size", "request_too_large", "new task"),
    (429, "rate_limit_error", "This request would exceed your rate limit", "rate_limited", ""),
    (500, "api_error", "Internal server error", "server_error", ""),
    (529, "overloaded_error", "Overloaded", "overloaded", ""),
]


@pytest.mark.parametrize(("status", "kind", "message", "meaning", "remedy"), MEANINGS)
def test_a_refusal_is_named_by_what_it_says(status, kind, message, meaning, remedy):
    model_error = model_error_of(ErrorResponse(status, {}, error(kind, message)))

    assert model_error.kind == meaning
    assert message in model_error.detail
    made = failure(model_error)
    assert (made.retry_at is None) == bool(remedy)
    if remedy:
        assert remedy in model_failure(made, "errand/task_1").remedy


def test_a_spending_limit_is_no_rate_limit():
    body = error("rate_limit_error", "no", details={"error_code": "enforced_spend_limit_reached"})
    assert model_error_of(ErrorResponse(429, {}, body)).kind == "out_of_credit"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "null",
        '"x"',
        '{"error": 7}',
        '{"error": {"type": {}, "message": []}}',
        "[" * 100_000,
        "\x00\x1b[31m" + "x" * 400_000,
    ],
)
@pytest.mark.parametrize("status", [400, 404, 429, 500, 599])
def test_a_body_of_any_shape_is_a_short_plain_detail(status, body):
    model_error = model_error_of(ErrorResponse(status, {"request-id": "r" * 9_000}, body))

    assert len(model_error.detail) < 700
    assert model_error.detail.isprintable()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (502, "server_error"),
        (503, "server_error"),
        (429, "server_error"),
        (403, "proxy_refused"),
        (200, "proxy_refused"),
    ],
)
def test_a_web_page_is_never_shown(status, kind):
    model_error = model_error_of(ErrorResponse(status, {"content-type": "text/html"}, HTML))

    assert model_error.kind == kind
    assert f"HTML page ({status})" in model_error.detail
    assert "<" not in model_error.detail


DATE = "Sat, 28 Nov 2026 03:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e999"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Sat, 28 Nov 2026 03:02:00 GMT", "date": DATE}, 120),
        ({"retry-after": "Sat, 28 Nov 2026 02:02:00 GMT", "date": DATE}, None),
        ({"retry-after": "Sat, 99 Nov 99999 03:02:00 GMT", "date": DATE}, None),
        ({"retry-after": "Sat, 28 Nov 2026 03:02:00 GMT"}, None),
        (
            {
                "date": DATE,
                "anthropic-ratelimit-tokens-remaining": "0",
                "anthropic-ratelimit-tokens-reset": "2026-11-28T03:00:30Z",
            },
            30,
        ),
        (
            {
                "date": DATE,
                "anthropic-ratelimit-tokens-remaining": "5",
                "anthropic-ratelimit-tokens-reset": "2026-11-28T03:00:30Z",
            },
            None,
        ),
    ],
)
def test_when_to_come_back_is_read_or_left_alone(headers, seconds):
    assert retry_after_seconds(headers) == seconds
