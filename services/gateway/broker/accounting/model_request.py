"""Parser of model requests: enough to compute their maximum cost. Pure.

A call that cannot be priced, or makes the provider fetch an address of the caller's choice, is
refused: the permitted fields and tools are listed here, and there are no others. Source:
the Messages API.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final, NoReturn

import msgspec
from msgspec import Meta

from events.limits import has_more_values
from events.protocol.model_prices import affordable_output_tokens, most_microusd
from services.gateway.broker.accounting.token_usage import CostEstimate, TokenUsage

MAX_PROMPT_TOKENS: Final = 1_000_000
MAX_VALUES: Final = 200_000
"""Lists, objects and their members, of about 100 bytes of memory each once they are decoded."""

_OVERHEAD_TOKENS: Final = 2_000  # what the provider adds for tools and thinking
_ROOM_TOKENS: Final = 200
MIN_OUTPUT_TOKENS: Final = 512
"""An answer is not cut shorter than this for want of money: less is of no use."""

_BETAS: Final = frozenset(
    {"interleaved-thinking-2025-05-14", "fine-grained-tool-streaming-2025-05-14"}
)
_COUNTED: Final = (
    "model",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "cache_control",
)
_IMAGE_TOKENS: Final = 5_000
_BLOCKS: Final = frozenset(
    {
        "text",
        "image",
        "document",
        "tool_use",
        "tool_result",
        "thinking",
        "redacted_thinking",
        "search_result",
    }
)
_SOURCES: Final = ("base64", "text")
_CLIENT_TOOLS: Final = ("custom", "bash_", "text_editor_", "memory_")


class UnsupportedCall(Exception):
    """The call is malformed or uses an unsupported feature; the text says which."""


class _Source(msgspec.Struct, frozen=True):
    type: str = ""
    data: Any = None


class _Cached(msgspec.Struct, frozen=True):
    ttl: str | None = None


class _Block(msgspec.Struct, frozen=True):
    type: str = ""
    source: _Source | str | None = None
    content: "str | list[_Block] | dict[str, Any] | None" = None
    cache_control: _Cached | None = None


class _Message(msgspec.Struct, frozen=True):
    content: str | list[_Block]


class _Tool(msgspec.Struct, frozen=True):
    type: str | None = None
    cache_control: _Cached | None = None


class MessagesRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/messages`, as far as its price depends on it; of `count_tokens` too."""

    model: Annotated[str, Meta(min_length=1, max_length=100)]
    messages: list[_Message]
    max_tokens: Annotated[int, Meta(ge=0, le=1_000_000)] = 0  # the provider insists on it
    system: str | list[_Block] | None = None
    tools: list[_Tool] | None = None
    tool_choice: Any = None
    thinking: Any = None
    output_config: Any = None
    cache_control: _Cached | None = None
    metadata: Any = None
    stop_sequences: Any = None
    stream: bool | None = None
    service_tier: Any = None
    diagnostics: Any = None


_encoder: Final = msgspec.json.Encoder(decimal_format="number")


class PricedCall(msgspec.Struct, frozen=True, kw_only=True):
    """A permitted call and its maximum usage."""

    model: str
    prompt_tokens: int
    output_tokens: int
    is_hourly: bool

    def counted(self, prompt_tokens: int) -> "PricedCall":
        """Return the call with the provider's own count of the prompt, an estimate."""
        roomy = prompt_tokens + prompt_tokens // 50 + _ROOM_TOKENS
        return msgspec.structs.replace(self, prompt_tokens=min(self.prompt_tokens, roomy))

    def least(self) -> "PricedCall":
        """Return the call with the shortest useful answer."""
        tokens = min(self.output_tokens, MIN_OUTPUT_TOKENS)
        return msgspec.structs.replace(self, output_tokens=tokens)

    def within(self, left_microusd: int) -> "PricedCall":
        """Return the call with the longest answer the rest pays for, or the shortest useful one."""
        tokens = affordable_output_tokens(
            self.model,
            prompt_tokens=self.prompt_tokens,
            is_hourly=self.is_hourly,
            left_microusd=left_microusd,
        )
        tokens = max(self.least().output_tokens, min(self.output_tokens, tokens))
        return msgspec.structs.replace(self, output_tokens=tokens)

    def estimate(self, begun: TokenUsage | None = None) -> CostEstimate:
        """Return the maximum cost; once the call has begun, with the counted prompt."""
        if begun is None:
            most = most_microusd(
                self.model,
                prompt_tokens=self.prompt_tokens,
                output_tokens=self.output_tokens,
                is_hourly=self.is_hourly,
            )
        else:
            usage = msgspec.structs.replace(begun.usage, output_tokens=self.output_tokens)
            most = TokenUsage(usage, begun.hourly_tokens).cost(self.model)
        return CostEstimate(self.model, most, self.output_tokens)


class ModelRequest:
    """A parsed call. The forwarded request is encoded from it, never from the caller's bytes.

    So the provider reads what was priced, even if a key occurs twice. Numbers
    keep their digits. Raises NotPriced: for what cannot be written too, before any money is set
    reserved for it.
    """

    def __init__(self, body: bytes) -> None:
        self._tree = _parsed(body)
        self.priced = _price(self._tree, size_bytes=len(body))
        self._whole = _encoded(self._tree)

    def encoded(self, priced: PricedCall) -> bytes:
        """Encode the call with the answer's length that was paid for."""
        if "max_tokens" not in self._tree or priced.output_tokens == self.priced.output_tokens:
            return self._whole
        return _encoded({**self._tree, "max_tokens": priced.output_tokens})

    def counting(self) -> bytes:
        """Encode the request that counts the call's prompt."""
        return _encoded({name: self._tree[name] for name in _COUNTED if name in self._tree})


def read(body: bytes) -> PricedCall:
    """Read the body of a call. Raises NotPriced."""
    return ModelRequest(body).priced


def check_betas(header: str) -> None:
    """Let through only betas that leave a call's price as it is. Raises NotPriced."""
    for beta in filter(None, (part.strip() for part in header.split(","))):
        if beta not in _BETAS:
            raise UnsupportedCall(f"The broker does not pass the beta {beta[:60]!r} on.")


def _parsed(body: bytes) -> dict[str, Any]:
    if has_more_values(body, MAX_VALUES):
        raise UnsupportedCall(f"The request holds more than {MAX_VALUES:,} values.")
    try:
        tree = json.loads(
            body.decode(),
            object_pairs_hook=_object,
            parse_float=Decimal,
            parse_constant=_no_constant,
        )
    except (ValueError, RecursionError) as error:
        raise UnsupportedCall(f"The request is not JSON: {str(error)[:200]}.") from None
    if not isinstance(tree, dict):
        raise UnsupportedCall("The request is not a JSON object.")
    return tree


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"{twice[:60]!r} stands twice in one object")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _encoded(tree: dict[str, Any]) -> bytes:
    try:
        return _encoder.encode(tree)
    except (ValueError, RecursionError) as error:  # half a surrogate pair, or too deep
        raise UnsupportedCall(f"The request cannot be passed on: {str(error)[:200]}.") from None


def _price(tree: dict[str, Any], *, size_bytes: int) -> PricedCall:
    """Return a call with its maximum price.

    A prompt has no more tokens than its body has bytes, as every token of a text stands for at
    least one; images and documents, which are compressed, are reckoned apart.
    """
    try:
        asked = msgspec.convert(tree, MessagesRequest)
    except msgspec.ValidationError as error:
        raise UnsupportedCall(f"The broker does not pass this on: {error}.") from None
    except RecursionError:
        raise UnsupportedCall("The request is nested too deeply.") from None
    for tool in asked.tools or ():
        if tool.type and not tool.type.startswith(_CLIENT_TOOLS):
            raise UnsupportedCall(f"The broker does not pass tools of type {tool.type[:50]} on.")
    blocks = [*_all_blocks(asked)]
    marks = [asked.cache_control, *(tool.cache_control for tool in asked.tools or ())]
    marks += [block.cache_control for block in blocks]
    return PricedCall(
        model=asked.model,
        prompt_tokens=min(MAX_PROMPT_TOKENS, size_bytes + _OVERHEAD_TOKENS + _compressed(blocks)),
        output_tokens=asked.max_tokens,
        is_hourly=any(mark is not None and mark.ttl == "1h" for mark in marks),
    )


def counting(body: bytes) -> bytes:
    """Return the body that counts the prompt of a valid call."""
    return ModelRequest(body).counting()


def _all_blocks(asked: MessagesRequest) -> Iterator[_Block]:
    for content in (asked.system, *(message.content for message in asked.messages)):
        yield from _blocks(content)


def _blocks(content: object) -> Iterator[_Block]:
    for block in content if isinstance(content, list) else ():
        yield block
        yield from _blocks(block.content)


def _compressed(blocks: Sequence[_Block]) -> int:
    """Return the tokens of images and documents, less the bytes that stand for images."""
    tokens = 0
    for block in blocks:
        if block.type not in _BLOCKS:
            raise UnsupportedCall(
                f"The broker does not pass blocks of type {block.type[:50]!r} on."
            )
        if not isinstance(block.source, _Source):
            continue
        if block.source.type not in _SOURCES:
            kind = block.source.type[:50]
            raise UnsupportedCall(f"The broker does not pass sources of type {kind!r} on.")
        if block.type == "image":
            tokens += _IMAGE_TOKENS - _encoded_bytes(block.source)
        else:
            tokens += MAX_PROMPT_TOKENS
    return tokens


def _encoded_bytes(source: _Source) -> int:
    """Return the length of an image in base64: it counts by its pixels, not by its bytes."""
    return len(source.data) if source.type == "base64" and isinstance(source.data, str) else 0
