"""The rules between the fields of a request: what fits no schema and is refused all the same.

Source: Anthropic's Messages API reference. The rehearsal is stricter than some models in
two places, so that a caller fit for it is fit for all: forced tool use and a final assistant
message are always refused.
"""

import re
from collections.abc import Iterator, Sequence

from infra.simulators.anthropic.api.errors import Refused, invalid
from infra.simulators.anthropic.api.images import check_images
from infra.simulators.anthropic.api.models import Model
from infra.simulators.anthropic.api.request import (
    AssistantMessage,
    Prompt,
    RedactedThinking,
    Request,
    Text,
    Thinking,
    Tool,
    ToolResult,
    ToolUse,
    UserMessage,
)

MAX_MESSAGES = 100_000
MAX_CACHE_MARKS = 4
MIN_THINKING_BUDGET_TOKENS = 1024
CLIENT_TOOLS = frozenset({"bash_20250124", "text_editor_20250728", "memory_20250818"})

_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_CALL_ID = re.compile(r"[a-zA-Z0-9_-]+")


def check_request(request: Request, model: Model) -> None:
    """Refuse (400) a request this model would not answer."""
    if request.max_tokens < 0 or (request.max_tokens == 0 and request.stream):
        raise invalid("max_tokens", "must be greater than or equal to 1")
    if request.max_tokens > model.max_output_tokens:
        raise invalid(
            "max_tokens",
            f"{request.max_tokens} > {model.max_output_tokens}, which is the maximum allowed "
            f"number of output tokens for {model.name}",
        )
    for index, sequence in enumerate(request.stop_sequences or []):
        if not sequence.strip():
            raise invalid(f"stop_sequences.{index}", "each stop sequence must contain a character")
    thinking = request.thinking
    if thinking and thinking.type == "enabled":
        budget = thinking.budget_tokens or 0
        if not MIN_THINKING_BUDGET_TOKENS <= budget < request.max_tokens:
            raise invalid(
                "thinking.enabled.budget_tokens", "must be >= 1024 and less than max_tokens"
            )
    check_prompt(request, model)


def check_prompt(prompt: Prompt, model: Model) -> None:
    """Refuse (400) a prompt this model would not read."""
    _check_options(prompt, model)
    _check_tools(prompt.tools or [])
    _check_messages(prompt)
    check_images(prompt)
    _check_pairs(prompt)


def check_cache_marks(lifetimes: list[str]) -> None:
    """Refuse (400) more than four cache marks, or a long-lived one after a short-lived one.

    `lifetimes` are the marks' in the order of the prompt: tools, system, messages.
    """
    if len(lifetimes) > MAX_CACHE_MARKS:
        raise Refused(
            400,
            f"A maximum of {MAX_CACHE_MARKS} blocks with cache_control may be provided. "
            f"Found {len(lifetimes)}.",
        )
    if lifetimes != sorted(lifetimes):  # "1h" sorts before "5m"
        raise Refused(400, "a ttl='1h' cache_control block must not come after a ttl='5m' one")


def _check_options(prompt: Prompt, model: Model) -> None:
    thinking = prompt.thinking
    if thinking and thinking.type not in model.thinking:
        raise Refused(400, f'"thinking.type.{thinking.type}" is not supported for this model.')
    if prompt.output_config and prompt.output_config.format is not None:
        raise invalid("output_config.format", "the rehearsal model has no structured outputs")
    choice = prompt.tool_choice
    if choice and not prompt.tools:
        raise Refused(400, "tool_choice may only be specified while providing tools")
    if choice and choice.type in ("any", "tool"):
        raise Refused(400, f'"tool_choice.type.{choice.type}" is not supported for this model.')


def _check_tools(tools: list[Tool]) -> None:
    for index, tool in enumerate(tools):
        where = f"tools.{index}"
        kind = tool.type or "custom"
        if not _TOOL_NAME.fullmatch(tool.name):
            raise invalid(f"{where}.name", f"String should match pattern '{_TOOL_NAME.pattern}'")
        if kind == "custom":
            if tool.input_schema is None:
                raise invalid(f"{where}.custom.input_schema", "Field required")
            if tool.input_schema.get("type") != "object":
                raise invalid(f"{where}.custom.input_schema.type", "Input should be 'object'")
        elif kind not in CLIENT_TOOLS:
            raise invalid(f"{where}.type", f"the rehearsal model does not offer '{kind}'")
    if len({tool.name for tool in tools}) < len(tools):
        raise invalid("tools", "Tool names must be unique.")


def _check_messages(prompt: Prompt) -> None:
    messages = prompt.messages
    if not messages:
        raise invalid("messages", "at least one message is required")
    if len(messages) > MAX_MESSAGES:
        raise invalid("messages", f"at most {MAX_MESSAGES} messages are allowed")
    if not isinstance(messages[0], UserMessage):
        raise invalid("messages", 'first message must use the "user" role')
    if isinstance(messages[-1], AssistantMessage):
        raise Refused(
            400,
            "This model does not support assistant message prefill. The conversation must end "
            "with a user message.",
        )
    for index, message in enumerate(messages):
        if not message.content:
            raise invalid(
                f"messages.{index}",
                "all messages must have non-empty content except for the optional final assistant "
                "message",
            )
        for text in _texts(message.content):
            if not text.strip():
                raise invalid("messages", "text content blocks must contain non-whitespace text")
        if isinstance(message, UserMessage) and isinstance(message.content, list):
            _check_user_blocks(message.content, f"messages.{index}.content")
    for text in _texts(prompt.system or []):
        if not text.strip():
            raise invalid("system", "text content blocks must contain non-whitespace text")


def _texts(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        yield from (block.text for block in content if isinstance(block, Text))


def check_last_blocks(prompt: Prompt) -> None:
    """Refuse (400) an assistant message that ends in a thought: nothing follows from it."""
    for index, message in enumerate(prompt.messages):
        last = message.content[-1] if isinstance(message.content, list) else None
        if isinstance(last, Thinking | RedactedThinking):
            kind = "thinking" if isinstance(last, Thinking) else "redacted_thinking"
            raise invalid(
                f"messages.{index}", f"The final block in an assistant message cannot be `{kind}`."
            )


def _check_user_blocks(blocks: Sequence[object], where: str) -> None:
    seen_other = False
    for index, block in enumerate(blocks):
        if isinstance(block, Text) and block.citations:
            raise invalid(f"{where}.{index}.citations", "not allowed on user text")
        if not isinstance(block, ToolResult):
            seen_other = True
        elif seen_other:
            raise invalid(
                f"{where}.{index}", "`tool_result` blocks must come before all other content"
            )
        elif block.is_error and not block.content:
            raise invalid(f"{where}.{index}", "content cannot be empty if `is_error` is true")
        elif any(not text.strip() for text in _texts(block.content) if text != block.content):
            raise invalid("messages", "text content blocks must contain non-whitespace text")


def _check_pairs(prompt: Prompt) -> None:
    seen: set[str] = set()
    asked: list[str] = []
    for index, message in enumerate(prompt.messages):
        answered = _answered(message, asked, f"messages.{index}.content")
        missing = [call for call in asked if call not in answered]
        if missing:
            raise Refused(
                400,
                f"messages.{index}: `tool_use` ids were found without `tool_result` blocks "
                f"immediately after: {', '.join(missing)}. Each `tool_use` block must have a "
                "corresponding `tool_result` block in the next message.",
            )
        asked = _asked(message, seen, f"messages.{index}.content")
    if seen and not prompt.tools:
        raise Refused(
            400, "Requests which include `tool_use` or `tool_result` blocks must define tools"
        )


def _answered(message: object, asked: list[str], where: str) -> set[str]:
    answered: set[str] = set()
    if not isinstance(message, UserMessage) or isinstance(message.content, str):
        return answered
    for index, block in enumerate(message.content):
        if not isinstance(block, ToolResult):
            continue
        if block.tool_use_id not in asked:
            raise invalid(
                f"{where}.{index}",
                f"unexpected `tool_use_id` found in `tool_result` blocks: {block.tool_use_id}. "
                "Each `tool_result` block must have a corresponding `tool_use` block in the "
                "previous message.",
            )
        if block.tool_use_id in answered:
            raise invalid(
                f"{where}.{index}", "each tool_use must have a single result. Found multiple"
            )
        answered.add(block.tool_use_id)
    return answered


def _asked(message: object, seen: set[str], where: str) -> list[str]:
    """Return the calls asked for in `message`; adds them to `seen`."""
    if not isinstance(message, AssistantMessage) or isinstance(message.content, str):
        return []
    asked: list[str] = []
    for index, block in enumerate(message.content):
        if not isinstance(block, ToolUse):
            continue
        if not _CALL_ID.fullmatch(block.id):
            raise invalid(f"{where}.{index}.id", f"should match pattern '{_CALL_ID.pattern}'")
        if block.id in seen:
            raise invalid(f"{where}.{index}", "`tool_use` ids must be unique")
        seen.add(block.id)
        asked.append(block.id)
    return asked
