"""The rehearsal model refuses what the real Messages API refuses."""

import anthropic
import httpx
import pytest
from anthropic import AsyncAnthropic

from infra.simulators.anthropic.api.models import MODELS
from infra.simulators.anthropic.billing.tokens import pieces
from tests.kit.build.model_requests import (
    EPHEMERAL,
    HEADERS,
    HOUR,
    ask,
    history,
    post,
    result,
    shared_model,
    text,
    use,
)
from tests.kit.run.rehearsal_model import KEY, TOOLS, RehearsalModel, rehearsal_model, sdk

__all__ = ["rehearsal_model", "sdk", "shared_model"]


REFUSED = {
    "temperature": (ask(temperature=1.0), "temperature"),
    "top_p": (ask(top_p=0.9), "top_p"),
    "top_k": (ask(top_k=5), "top_k"),
    "unknown field": (ask(foo=1), "foo: Extra inputs are not permitted"),
    "unknown field of a message": (
        ask(messages=[{"role": "user", "content": "x", "name": "y"}]),
        "messages.0.name: Extra inputs are not permitted",
    ),
    "no max_tokens": (ask(max_tokens=None), "max_tokens: Field required"),
    "too many max_tokens": (ask(max_tokens=128_001), "max_tokens: 128001 > 128000"),
    "negative max_tokens": (ask(max_tokens=-1), "max_tokens"),
    "no messages": (ask(messages=[]), "at least one message is required"),
    "assistant first": (
        ask(messages=[{"role": "assistant", "content": "x"}, {"role": "user", "content": "x"}]),
        'first message must use the "user" role',
    ),
    "prefill": (ask(messages=history("x", "y")), "does not support assistant message prefill"),
    "unknown role": (ask(messages=[{"role": "tool", "content": "x"}]), "messages.0"),
    "empty content": (ask(messages=history("")), "non-empty content"),
    "empty text": (ask(messages=history([text("")])), "text content blocks must"),
    "blank text": (ask(messages=history([text(" \n")])), "text content blocks must"),
    "no result": (
        ask(messages=history("x", [use()], "y")),
        "`tool_use` ids were found without `tool_result` blocks immediately after: a.",
    ),
    "one result of two": (
        ask(messages=history("x", [use(), use("b")], [result()])),
        "immediately after: b.",
    ),
    "orphan result": (ask(messages=history([result()])), "unexpected `tool_use_id`"),
    "result of an older call": (
        ask(messages=history("x", [use()], [result()], "y", [result()])),
        "unexpected `tool_use_id`",
    ),
    "two results": (
        ask(messages=history("x", [use()], [result(), result()])),
        "each tool_use must have a single result",
    ),
    "result after text": (
        ask(messages=history("x", [use()], [text(), result()])),
        "must come before",
    ),
    "empty error": (
        ask(messages=history("x", [use()], [result(content="", is_error=True)])),
        "content cannot be empty if `is_error`",
    ),
    "one id twice": (
        ask(messages=history("x", [use(), use()], [result()])),
        "`tool_use` ids must be unique",
    ),
    "calls without tools": (
        ask(messages=history("x", [use()], [result()]), tools=None),
        "must define tools",
    ),
    "document of the assistant's": (
        ask(messages=history("x", [{"type": "document", "source": {}}], "y")),
        "messages.1.content",
    ),
    "citations of the user's": (
        ask(messages=history([text(citations=[{"type": "char_location"}])])),
        "messages.0.content.0.citations",
    ),
    "redacted thinking": (
        ask(messages=history("x", [{"type": "redacted_thinking", "data": "?"}], "y")),
        "Invalid `data`",
    ),
    "foreign signature": (
        ask(messages=history("x", [{"type": "thinking", "thinking": "", "signature": "é"}], "y")),
        "Invalid `signature` in `thinking` block",
    ),
    "thinking disabled": (
        ask(model="claude-opus-5-5", thinking={"type": "disabled"}),
        '"thinking.type.disabled" is not supported for this model.',
    ),
    "thinking enabled": (
        ask(thinking={"type": "enabled", "budget_tokens": 2000}, max_tokens=4000),
        '"thinking.type.enabled" is not supported',
    ),
    "forced tool use": (ask(tool_choice={"type": "any"}), "tool_choice.type.any"),
    "forced tool": (ask(tool_choice={"type": "tool", "name": "bash"}), "tool_choice.type.tool"),
    "choice without tools": (ask(tool_choice={"type": "auto"}, tools=None), "tool_choice"),
    "unknown effort": (ask(output_config={"effort": "huge"}), "output_config.effort"),
    "two tools of a name": (ask(tools=[TOOLS[0], TOOLS[0]]), "Tool names must be unique"),
    "no schema": (ask(tools=[{"name": "x"}]), "tools.0.custom.input_schema: Field required"),
    "bad tool name": (ask(tools=[{**TOOLS[0], "name": "a b"}]), "tools.0.name"),
    "server tool": (
        ask(tools=[{"type": "web_search_20260318", "name": "web_search"}]),
        "does not offer",
    ),
    "five cache marks": (
        ask(messages=history([text(cache_control=EPHEMERAL)] * 5)),
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    ),
    "long-lived after short-lived": (
        ask(messages=history([text(cache_control=EPHEMERAL), text(cache_control=HOUR)])),
        "ttl='1h'",
    ),
    "context management without its beta": (
        ask(context_management={"edits": []}),
        "context_management: Extra inputs",
    ),
    "blank stop sequence": (ask(stop_sequences=[" "]), "stop_sequences.0"),
    "no JSON": (b"{", "not valid JSON"),
    "no object": (b"[]", "must be a JSON object"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_real_api_refuses_is_refused(shared_model: RehearsalModel, case: str) -> None:
    body, said = REFUSED[case]
    answer = post(shared_model, body)
    assert answer.status_code == 400
    error = answer.json()
    assert error["type"] == "error"
    assert error["error"]["type"] == "invalid_request_error"
    assert said in error["error"]["message"]
    assert error["request_id"] == answer.headers["request-id"]


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ({"authorization": None}, 401, "authentication_error"),
        ({"authorization": "Bearer wrong"}, 401, "authentication_error"),
        ({"authorization": None, "x-api-key": "wrong"}, 401, "authentication_error"),
        ({"authorization": None, "x-api-key": KEY}, 200, None),
        ({"anthropic-version": None}, 400, "invalid_request_error"),
        ({"anthropic-version": "2030-01-01"}, 400, "invalid_request_error"),
    ],
)
def test_the_key_and_the_version_are_looked_at(
    shared_model: RehearsalModel, headers: dict[str, str | None], status: int, kind: str | None
) -> None:
    answer = post(shared_model, ask(), **headers)
    assert answer.status_code == status
    assert answer.json().get("error", {}).get("type") == kind


def test_an_unknown_model_and_an_unknown_path_are_not_found(shared_model: RehearsalModel) -> None:
    answer = post(shared_model, ask(model="claude-9"))
    assert answer.status_code == 404
    assert answer.json()["error"] == {"type": "not_found_error", "message": "model: claude-9"}
    assert httpx.get(f"{shared_model.url}/v2", headers=HEADERS).status_code == 404
    assert httpx.get(f"{shared_model.url}/v1/messages", headers=HEADERS).status_code == 405


def test_a_body_that_is_too_large_is_refused(shared_model: RehearsalModel) -> None:
    answer = post(shared_model, b" " * (32 * 1024 * 1024 + 1))
    assert answer.status_code == 413
    assert answer.json()["error"]["type"] == "request_too_large"


def test_a_prompt_beyond_the_window_is_refused(shared_model: RehearsalModel) -> None:
    answer = post(shared_model, ask(model="claude-haiku-4-5", messages=history("x" * 900_000)))
    assert answer.status_code == 400
    assert "prompt is too long" in answer.json()["error"]["message"]


def test_health_needs_no_key(shared_model: RehearsalModel) -> None:
    assert httpx.get(f"{shared_model.url}/health").status_code == 200
    assert httpx.get(f"{shared_model.url}/ledger").status_code == 401


async def test_the_sdk_lists_models_and_counts_tokens(sdk: AsyncAnthropic) -> None:
    listed = [found.id async for found in sdk.models.list()]
    assert listed == list(MODELS)
    info = await sdk.models.retrieve("claude-opus-5-5")
    assert info.max_tokens == 128_000
    assert info.capabilities is not None
    assert not info.capabilities.thinking.types.disabled.supported
    body = ask(max_tokens=None)
    counted = await sdk.messages.count_tokens(**body)
    message = await sdk.messages.create(**ask())
    assert counted.input_tokens == message.usage.input_tokens == sum(p.tokens for p in pieces(body))


async def test_the_sdk_raises_its_own_errors(
    rehearsal_model: RehearsalModel, sdk: AsyncAnthropic
) -> None:
    async with rehearsal_model.client("wrong") as stranger:
        with pytest.raises(anthropic.AuthenticationError) as refused:
            await stranger.messages.create(**ask())
    assert refused.value.request_id is not None
    with pytest.raises(anthropic.NotFoundError):
        await sdk.messages.create(**ask(model="claude-9"))
    with pytest.raises(anthropic.BadRequestError) as bad:
        await sdk.messages.create(**ask(messages=[]))
    assert bad.value.type == "invalid_request_error"


async def test_context_management_is_accepted_with_its_beta(sdk: AsyncAnthropic) -> None:
    reply = await sdk.beta.messages.create(
        **ask(context_management={"edits": [{"type": "clear_tool_uses_20250919"}]}),
        betas=["context-management-2025-06-27"],
    )
    assert reply.context_management is not None
    assert reply.context_management.applied_edits == []
