"""At a terminal: what the agent asks is put to the person, and becomes a command."""

import asyncio

from rich.console import Console
from rich.prompt import Prompt

from clients.cli.gateway import JSON, new_command
from clients.cli.outbox import Command, command
from events import ApprovalRequested, QuestionAsked

Asked = QuestionAsked | ApprovalRequested

_VERDICTS: dict[str, JSON] = {
    "y": {"verdict": "allow"},
    "t": {"verdict": "allow", "scope": "task"},
    "n": {"verdict": "deny"},
}


async def answer(task: str, asked: Asked, console: Console) -> Command:
    """Put one question; give what the person answers as a command."""
    args: JSON = {"request": asked.request}
    if isinstance(asked, ApprovalRequested):
        args |= {"digest": asked.digest} | await _verdict(console)
        return command(new_command(), "approve", args, task=task)
    args["text"] = await _text(asked, console)
    return command(new_command(), "answer", args, task=task)


async def _text(question: QuestionAsked, console: Console) -> str:
    said = ""
    while not said.strip():
        said = await asyncio.to_thread(Prompt.ask, "Your answer", console=console)
    if question.options and said.isdigit() and 0 < int(said) <= len(question.options):
        return question.options[int(said) - 1]
    return said


async def _verdict(console: Console) -> JSON:
    text = "Allow it? (y)es, yes for this whole (t)ask, (n)o"
    said = await asyncio.to_thread(Prompt.ask, text, choices=list(_VERDICTS), console=console)
    if said != "n":
        return _VERDICTS[said]
    reason = await asyncio.to_thread(Prompt.ask, "Why not", default="", console=console)
    return _VERDICTS[said] | ({"reason": reason} if reason.strip() else {})
