"""The body of a request, field by field: what is not named here is refused.

Source: Anthropic's Messages API reference; the field names are those of SDK 2.12.
"""

from typing import Any, Literal

import msgspec

from infra.simulators.anthropic.api.errors import Refused, invalid, misshapen

VERSIONS = frozenset({"2023-01-01", "2023-06-01", "2026-10-21"})
RETIRED_FIELDS = ("temperature", "top_p", "top_k")
BETAS = {
    "context_management": frozenset({"context-management-2025-06-27", "compact-2026-01-12"}),
}

JsonObject = dict[str, Any]


class CacheControl(msgspec.Struct, forbid_unknown_fields=True):
    """A mark: the prompt up to here may be kept for `ttl`."""

    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | None = None


class Text(msgspec.Struct, tag_field="type", tag="text", forbid_unknown_fields=True):
    """Words."""

    text: str
    citations: list[JsonObject] | None = None
    cache_control: CacheControl | None = None


class Image(msgspec.Struct, tag_field="type", tag="image", forbid_unknown_fields=True):
    """A picture; it is counted, not looked at."""

    source: JsonObject
    cache_control: CacheControl | None = None


class Document(msgspec.Struct, tag_field="type", tag="document", forbid_unknown_fields=True):
    """A document of the user's; it is counted, not read."""

    source: JsonObject
    title: str | None = None
    context: str | None = None
    citations: JsonObject | None = None
    cache_control: CacheControl | None = None


class ToolResult(msgspec.Struct, tag_field="type", tag="tool_result", forbid_unknown_fields=True):
    """Result of a tool for the call `tool_use_id`."""

    tool_use_id: str
    content: str | list[Text | Image | Document] | None = None
    is_error: bool | None = None
    cache_control: CacheControl | None = None


class ToolUse(msgspec.Struct, tag_field="type", tag="tool_use", forbid_unknown_fields=True):
    """A call the model asked for earlier."""

    id: str
    name: str
    input: JsonObject
    caller: JsonObject | None = None
    toolset_name: str | None = None
    cache_control: CacheControl | None = None


class Thinking(msgspec.Struct, tag_field="type", tag="thinking", forbid_unknown_fields=True):
    """A signed thought, returned as it was given."""

    thinking: str
    signature: str


class RedactedThinking(
    msgspec.Struct, tag_field="type", tag="redacted_thinking", forbid_unknown_fields=True
):
    """A sealed thought; the rehearsal never gives one, so it knows none."""

    data: str


class UserMessage(msgspec.Struct, tag_field="role", tag="user", forbid_unknown_fields=True):
    """A message of the user, or of the tools."""

    content: str | list[Text | Image | Document | ToolResult]


class AssistantMessage(
    msgspec.Struct, tag_field="role", tag="assistant", forbid_unknown_fields=True
):
    """An earlier message of the model."""

    content: str | list[Text | Thinking | RedactedThinking | ToolUse]


class SystemMessage(msgspec.Struct, tag_field="role", tag="system", forbid_unknown_fields=True):
    """An instruction of the operator's in the middle of a conversation."""

    content: str | list[Text]


class Tool(msgspec.Struct, forbid_unknown_fields=True):
    """A tool on offer: the caller's own (type custom) or one of the API's client tools."""

    name: str
    type: str | None = None
    description: str | None = None
    input_schema: JsonObject | None = None
    strict: bool | None = None
    eager_input_streaming: bool | None = None
    defer_loading: bool | None = None
    allowed_callers: list[str] | None = None
    input_examples: list[JsonObject] | None = None
    max_characters: int | None = None
    cache_control: CacheControl | None = None


class ToolChoice(msgspec.Struct, forbid_unknown_fields=True):
    """Choice of tools the model may call."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class ThinkingConfig(msgspec.Struct, forbid_unknown_fields=True):
    """Settings of thinking: if it is on, and if its text is shown."""

    type: Literal["adaptive", "between_tools", "enabled", "disabled"]
    budget_tokens: int | None = None
    display: Literal["summarized", "omitted"] | None = None


class OutputConfig(msgspec.Struct, forbid_unknown_fields=True):
    """Effort of the model."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: JsonObject | None = None


class Metadata(msgspec.Struct, forbid_unknown_fields=True):
    """For whom the request is made; the ledger keeps its sums by this."""

    user_id: str | None = None


class Prompt(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Input of the model: the body of /v1/messages/count_tokens."""

    model: str
    messages: list[UserMessage | AssistantMessage | SystemMessage]
    system: str | list[Text] | None = None
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None
    thinking: ThinkingConfig | None = None
    output_config: OutputConfig | None = None
    cache_control: CacheControl | None = None
    context_management: JsonObject | None = None
    speed: Literal["standard", "fast"] | None = None


class Request(Prompt, forbid_unknown_fields=True, kw_only=True):
    """The body of /v1/messages."""

    max_tokens: int
    stream: bool = False
    metadata: Metadata | None = None
    stop_sequences: list[str] | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    inference_geo: str | None = None
    diagnostics: JsonObject | None = None


def parse(body: bytes, headers: dict[str, str]) -> JsonObject:
    """Read a body as a JSON object after looking at the API version; refuses (400) anything else.

    `headers` have lower-case names. The object comes back as sent, for counting and signing; its
    shape is checked by `prompt_of` or `request_of`.
    """
    version = headers.get("anthropic-version")
    if version is None:
        raise invalid("anthropic-version", "header is required")
    if version not in VERSIONS:
        raise invalid("anthropic-version", f'"{version}" is not a valid version')
    try:
        raw = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, f"The request body is not valid JSON: {error}") from None
    if not isinstance(raw, dict):
        raise Refused(400, "The request body must be a JSON object")
    for field in RETIRED_FIELDS:
        if field in raw:
            raise invalid(field, "this parameter is no longer supported, even at its default")
    betas = set(headers.get("anthropic-beta", "").replace(" ", "").split(","))
    for field, needed in BETAS.items():
        if field in raw and not needed & betas:
            raise invalid(field, "Extra inputs are not permitted")
    return raw


def prompt_of(raw: JsonObject) -> Prompt:
    """Check the shape of a body of /v1/messages/count_tokens; refuses (400) what does not fit."""
    try:
        return msgspec.convert(raw, Prompt)
    except msgspec.ValidationError as error:
        raise misshapen(error) from None


def request_of(raw: JsonObject) -> Request:
    """Check the shape of a body of /v1/messages; refuses (400) what does not fit."""
    try:
        return msgspec.convert(raw, Request)
    except msgspec.ValidationError as error:
        raise misshapen(error) from None
