"""The rehearsal itself, without HTTP: a checked request in, a reply out."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from infra.simulators.anthropic.api.errors import Refused
from infra.simulators.anthropic.api.models import Model, find
from infra.simulators.anthropic.api.reply import Reply, content_of, cut, output_tokens, thinks
from infra.simulators.anthropic.api.request import Prompt, Request, prompt_of, request_of
from infra.simulators.anthropic.api.rules import (
    check_cache_marks,
    check_last_blocks,
    check_prompt,
    check_request,
)
from infra.simulators.anthropic.api.signature import Seal
from infra.simulators.anthropic.billing.prompt_cache import PromptCache
from infra.simulators.anthropic.billing.tokens import Piece, count_text, pieces
from infra.simulators.anthropic.scripts.conversation import errand_of
from infra.simulators.anthropic.scripts.engine import Move, play
from infra.simulators.anthropic.scripts.script import Script

JsonObject = dict[str, Any]


class Rehearsal:
    """Answers from its scripts. Nothing is kept of a conversation but what a prompt cache keeps.

    `entropy` makes ids, so that no two replies share one, not even to the same history. With
    `window_tokens` the window of every model is so small.
    """

    def __init__(
        self,
        scripts: Sequence[Script],
        seal: Seal,
        cache: PromptCache,
        *,
        entropy: Callable[[int], bytes],
        window_tokens: int = 0,
    ) -> None:
        self._scripts = scripts
        self._seal = seal
        self._cache = cache
        self._entropy = entropy
        self._window_tokens = window_tokens

    def find(self, name: str) -> Model:
        """Return the model called `name`, with the window it has here; refuses an unknown one."""
        model = find(name)
        return replace(model, window_tokens=self._window_tokens or model.window_tokens)

    def new_id(self, kind: str) -> str:
        """Make an id such as msg_01…; `kind` is what stands before it."""
        return f"{kind}_01{self._entropy(11).hex()}"

    def count(self, raw: JsonObject) -> int:
        """Count a prompt's tokens; refuses what the model would not read."""
        prompt = prompt_of(raw)
        self._judge(raw, prompt)
        return sum(piece.tokens for piece in pieces(raw))

    def check(self, raw: JsonObject) -> Request:
        """Read a request; refuses (400, 404) what would not be answered."""
        request = request_of(raw)
        check_request(request, self.find(request.model))
        self._judge(raw, request)
        return request

    def answer(self, raw: JsonObject, request: Request) -> Reply:
        """Answer a checked request. The content follows from the request alone; ids are new."""
        model = self.find(request.model)
        move = self._play(raw, request)
        is_between_tools = raw["messages"][-1]["role"] == "user" and len(raw["messages"]) > 1
        thinking, shown = thinks(request, model, is_between_tools=is_between_tools)
        thinking = thinking and bool(move.think)
        signature = (
            self._seal.sign(model.name, raw["messages"], move.think if shown else "")
            if thinking
            else ""
        )
        ids = [self.new_id("toolu") for _ in move.calls]
        whole = content_of(move, signature=signature, shown=shown, ids=ids)
        cut_up = pieces(raw)
        left = model.window_tokens - sum(piece.tokens for piece in cut_up)
        content, stop_reason, stop_sequence = cut(whole, request, window_left=left)
        thought = count_text(move.think) if content and signature else 0
        return Reply(
            id=self.new_id("msg"),
            model=model.name,
            content=content,
            stop_reason=stop_reason,
            stop_sequence=stop_sequence,
            prompt=self._cache.bill(model, cut_up),
            output_tokens=thought
            + sum(output_tokens(block) for block in content if block["type"] != "thinking"),
            thinking_tokens=thought,
            extra=(
                {"context_management": {"applied_edits": []}} if request.context_management else {}
            ),
        )

    def ordered(
        self, raw: JsonObject, reply: Reply, content: list[JsonObject], stop_reason: str
    ) -> Reply:
        """Put ordered blocks in place of a reply's own; a thought that asks for it is signed."""
        blocks = [
            {**block, "signature": self._seal.sign(reply.model, raw["messages"], block["thinking"])}
            if block.get("type") == "thinking" and block.get("signature") == "valid"
            else block
            for block in content
        ]
        tokens = sum(output_tokens(block) for block in blocks)
        return replace(reply, content=blocks, stop_reason=stop_reason, output_tokens=tokens)

    def _play(self, raw: JsonObject, request: Request) -> Move:
        choice = request.tool_choice
        is_off = choice is not None and choice.type == "none"
        return play(
            self._scripts,
            errand_of(raw["messages"]),
            set() if is_off else {tool.name for tool in request.tools or []},
            is_parallel=not (choice and choice.disable_parallel_tool_use),
        )

    def _judge(self, raw: JsonObject, prompt: Prompt) -> None:
        model = self.find(prompt.model)
        if not isinstance(prompt, Request):
            check_prompt(prompt, model)
        self._seal.check(model.name, raw["messages"])
        check_last_blocks(prompt)
        cut_up: list[Piece] = pieces(raw)
        check_cache_marks([piece.lifetime for piece in cut_up if piece.lifetime])
        size = sum(piece.tokens for piece in cut_up)
        if size > model.window_tokens:
            raise Refused(400, f"prompt is too long: {size} tokens > {model.window_tokens} maximum")
