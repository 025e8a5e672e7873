"""Account of a conversation that its model cannot read any more, made without it. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from events import (
    CallId,
    ModelReplied,
    Recorded,
    ToolCompleted,
    ToolInterrupted,
    ToolStarted,
)
from services.worker.agent.text.excerpt import excerpt
from services.worker.agent.tool_calls import text_of

MAX_ACCOUNT_BYTES: Final = 16_000
_MAX_LINE_BYTES: Final = 1_500
_CUT: Final = "- (earlier work is left out here)"


def account_of_work(history: Sequence[Recorded], limit_bytes: int = MAX_ACCOUNT_BYTES) -> str:
    """Return what the agent said and did, one line each; the newest of it that fits the limit."""
    lines: list[str] = []
    left = limit_bytes
    for line in reversed(list(_lines(history))):
        left -= len(line.encode()) + 1
        if left < 0:
            return "\n".join([_CUT, *reversed(lines)])
        lines.append(line)
    return "\n".join(reversed(lines))


def _lines(history: Sequence[Recorded]) -> Iterator[str]:
    titles: dict[CallId, str] = {}
    for recorded in history:
        match recorded.event:
            case ModelReplied(blocks=blocks):
                text = text_of(blocks)
                if text:
                    said = excerpt(text, _MAX_LINE_BYTES)[0].replace("\n", "\n  ")
                    yield f"- You said: {said}"
            case ToolStarted(call=call, title=title):
                titles[call] = excerpt(title, _MAX_LINE_BYTES)[0]
            case ToolCompleted(call=call, is_error=is_error, exit_code=code) if call in titles:
                how = f" (exit code {code})" if code else " (failed)" if is_error else ""
                yield f"- Done: {titles[call]}{how}"
            case ToolInterrupted(call=call) if call in titles:
                yield f"- Cut off: {titles[call]}"
            case _:
                pass
