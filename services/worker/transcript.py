"""A history as the messages of the Messages API. Pure.

What was sent once is never changed, only added to: thinking blocks are bound to what came before
them. Source of the shapes: reference/apis.md §2.3.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from events import (
    AttemptStarted,
    Block,
    CallId,
    ModelReplied,
    ModelRequested,
    Recorded,
    TaskInstructed,
    TaskSubmitted,
    ToolCompleted,
    ToolInterrupted,
)
from services.worker.fold import evolve
from services.worker.standing import Attempt, Turn

Message = dict[str, Any]

_NEW_MACHINE: Final = (
    "[A new machine has taken this task over. The files are as the last snapshot has them: what "
    "the last calls that changed files did may be lost. Shell state and background processes are "
    "gone. Look before you rely on either.]"
)
_WHY: Final = {
    "machine_lost": "the machine was lost while the call ran",
    "drained": "the machine had to stop while the call ran",
    "deadline": "the machine's time was up while the call ran",
    "gateway_unreachable": "the machine lost its connection while the call ran",
    "interrupted": "the person stopped it",
}
_NOT_RUN: Final = "Not run: the reply was cut before it was complete."


class _Conversation:
    """The messages so far, and what waits for the next of them."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.results: dict[CallId, Block] = {}
        self.notices: list[str] = []
        self.steers: list[str] = []
        self.queued: list[str] = []

    def hear(self, recorded: Recorded) -> None:
        match recorded.event:
            case TaskSubmitted(prompt=text):
                self.steers.append(text)
            case TaskInstructed(text=text, mode=mode):
                (self.steers if mode == "steer" else self.queued).append(text)
            case ToolCompleted(call=call, output=output, is_error=is_error):
                self.results[call] = _result(call, output or "(no output)", is_error=is_error)
            case ToolInterrupted(call=call, reason=reason):
                why = _WHY.get(reason, reason)
                text = f"Interrupted: {why}. What it had done by then is not known."
                self.results[call] = _result(call, text, is_error=True)
            case AttemptStarted() if any(m["role"] == "assistant" for m in self.messages):
                self.notices = [_NEW_MACHINE]
            case ModelReplied(blocks=blocks):
                content = [block for block in blocks if not _is_empty(block)]
                if content:
                    self.messages.append({"role": "assistant", "content": content})
            case _:
                pass

    def speak(self, *, with_queued: bool) -> None:
        """Put what waits into the user's message: results first, then what people said."""
        said = [*self.steers, *(self.queued if with_queued else ()), *self.notices]
        content = [*self._owed_results(), *({"type": "text", "text": text} for text in said)]
        self.results, self.notices, self.steers = {}, [], []
        if with_queued:
            self.queued = []
        if not content:
            return
        if self.messages and self.messages[-1]["role"] == "user":
            self.messages[-1]["content"] += content
        else:
            self.messages.append({"role": "user", "content": content})

    def _owed_results(self) -> Sequence[Block]:
        last = self.messages[-1] if self.messages else None
        if last is None or last["role"] != "assistant":
            return ()
        calls = [b["id"] for b in last["content"] if b.get("type") == "tool_use"]
        return [self.results.get(c) or _result(c, _NOT_RUN, is_error=True) for c in calls]


def messages(history: Iterable[Recorded]) -> list[Message]:
    """Make the messages of the request that the history's last `model.requested` announces.

    What was said after it waits for the next one. The blocks of every reply must be in its event
    (fetched back from the object store when they were too long for it).
    """
    conversation, turn = _Conversation(), Turn(attempt=Attempt(number=0))
    for recorded in history:
        conversation.hear(recorded)
        if isinstance(recorded.event, ModelRequested):
            conversation.speak(with_queued=turn.is_over)
        turn = evolve(turn, recorded)
    return conversation.messages


def _is_empty(block: Block) -> bool:
    """Whether the API gives the block and yet would refuse to have it back."""
    return block.get("type") == "text" and not block["text"].strip()


def _result(call: CallId, text: str, *, is_error: bool) -> Block:
    block: Block = {"type": "tool_result", "tool_use_id": call, "content": text}
    return {**block, "is_error": True} if is_error else block
