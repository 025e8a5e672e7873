"""The models the rehearsal answers as, with what each accepts.

Source: Anthropic's model overview. Where a fact about a model is not public (the
smallest cacheable prefix of the 5.5 family) the nearest known sibling's is taken.
"""

from dataclasses import dataclass

from infra.simulators.anthropic.api.errors import Refused

EFFORTS = ("low", "medium", "high", "xhigh", "max")
MAX_OUTPUT_TOKENS = 128_000

_ALWAYS = frozenset({"adaptive"})
_SWITCHABLE = frozenset({"adaptive", "between_tools"})
_OPEN = frozenset({"adaptive", "between_tools", "disabled"})
_CLASSIC = frozenset({"adaptive", "enabled", "disabled"})
_EXTENDED = frozenset({"enabled", "disabled"})


@dataclass(frozen=True)
class Model:
    """One model: its windows in tokens, and the kinds of `thinking` it accepts."""

    name: str
    thinking: frozenset[str]
    window_tokens: int = 1_000_000
    max_output_tokens: int = MAX_OUTPUT_TOKENS
    min_cached_tokens: int = 1024
    lifecycle: str = "active"

    @property
    def thinks_unasked(self) -> bool:
        """Return whether a request without `thinking` gets thinking blocks."""
        return "adaptive" in self.thinking and "enabled" not in self.thinking

    @property
    def shows_thinking_unasked(self) -> bool:
        """Return whether thinking comes with its text when no `display` is asked for."""
        return "enabled" in self.thinking


def _small(name: str, *, lifecycle: str = "active") -> Model:
    return Model(
        name=name,
        thinking=_EXTENDED,
        window_tokens=200_000,
        max_output_tokens=64_000,
        min_cached_tokens=4096,
        lifecycle=lifecycle,
    )


MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        Model("claude-fable-5-2", _ALWAYS, min_cached_tokens=512),
        Model("claude-mythos-5-2", _ALWAYS, min_cached_tokens=512),
        Model("claude-haiku-5-5", _OPEN),
        Model("claude-sonnet-5-5", _SWITCHABLE),
        Model("claude-fable-5-1", _ALWAYS, min_cached_tokens=512),
        Model("claude-opus-5-5", _ALWAYS, min_cached_tokens=512),
        Model("claude-mythos-5-1", _ALWAYS, min_cached_tokens=512),
        Model("claude-sonnet-5", _OPEN),
        Model("claude-fable-5", _ALWAYS, min_cached_tokens=512),
        Model("claude-mythos-5", _ALWAYS, min_cached_tokens=512),
        Model("claude-opus-5", _OPEN, min_cached_tokens=512),
        Model("claude-opus-4-8", _CLASSIC),
        Model("claude-opus-4-7", _CLASSIC),
        Model("claude-opus-4-6", _CLASSIC, min_cached_tokens=4096),
        Model("claude-sonnet-4-6", _CLASSIC),
        _small("claude-haiku-4-5"),
        _small("claude-haiku-4-5-20251001"),
        _small("claude-opus-4-5"),
        _small("claude-opus-4-5-20251101"),
        _small("claude-sonnet-4-5", lifecycle="deprecated"),
        _small("claude-sonnet-4-5-20250929", lifecycle="deprecated"),
    )
}


def find(name: str) -> Model:
    """Return the model called `name`; refuses an unknown one with 404, as the API does."""
    if name not in MODELS:
        raise Refused(404, f"model: {name}")
    return MODELS[name]


def describe(model: Model) -> dict[str, object]:
    """Encode a model as GET /v1/models/{id} does; what the rehearsal lacks is unsupported."""
    supported, lacking = {"supported": True}, {"supported": False}
    kinds = ("adaptive", "between_tools", "disabled", "enabled")
    efforts = dict.fromkeys(EFFORTS, supported)
    return {
        "type": "model",
        "id": model.name,
        "display_name": f"{model.name} (rehearsal)",
        "created_at": "1970-01-01T00:00:00Z",
        "deprecated_at": None,
        "retires_at": None,
        "lifecycle": model.lifecycle,
        "line": model.name.split("-")[1],
        "max_input_tokens": model.window_tokens,
        "max_tokens": model.max_output_tokens,
        "capabilities": {
            "batch": lacking,
            "citations": lacking,
            "code_execution": lacking,
            "context_management": {
                "clear_thinking_20251015": supported,
                "clear_tool_uses_20250919": supported,
                "compact_20260112": supported,
                **supported,
            },
            "effort": {**efforts, **supported},
            "image_input": supported,
            "pdf_input": lacking,
            "server_tools": {"code_execution": lacking, "web_search": lacking, **lacking},
            "structured_outputs": lacking,
            "thinking": {
                "types": {kind: {"supported": kind in model.thinking} for kind in kinds},
                **supported,
            },
        },
    }
