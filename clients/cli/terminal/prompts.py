"""Prompts in a terminal for the agent's questions and approvals."""

from collections.abc import Sequence

from clients.cli.gateway.client import JSON, new_command_id
from clients.cli.stream.outbox import Command, command
from events import ApprovalRequested, QuestionAsked

HumanRequest = QuestionAsked | ApprovalRequested

_ANSWER = "Your answer: "
_VERDICT = "Allow this call? (y)es, (t)ask: also allow similar calls for this task, (n)o: "
_REASON = "Reason (optional, press Enter to skip): "
_VERDICTS: dict[str, JSON] = {
    "y": {"verdict": "allow"},
    "yes": {"verdict": "allow"},
    "t": {"verdict": "allow", "scope": "task"},
    "task": {"verdict": "allow", "scope": "task"},
    "n": {"verdict": "deny"},
    "no": {"verdict": "deny"},
}


def resolve_option(options: Sequence[str], said: str) -> str:
    """Return the option with this number, or else the text itself."""
    number = said.strip()
    if number.isascii() and number.isdigit() and 0 < int(number) <= len(options):
        return options[int(number) - 1]
    return said


class Dialog:
    """Dialog about one question or approval. `prompt` is the text to show before each line."""

    def __init__(self, task: str, asked: HumanRequest) -> None:
        self.asked = asked
        self.prompt = _VERDICT if isinstance(asked, ApprovalRequested) else _ANSWER
        self._task = task
        self._verdict: JSON = {}

    def receive_line(self, line: str) -> Command | None:
        """Handle a line; return the command when the answer is complete."""
        said = line.strip()
        if isinstance(self.asked, QuestionAsked):
            return self._answer(self.asked, said) if said else None
        if self._verdict:
            return self._approve(self.asked, {"reason": said} if said else {})
        self._verdict = _VERDICTS.get(said.lower(), {})
        if self._verdict.get("verdict") == "deny":
            self.prompt = _REASON
            return None
        return self._approve(self.asked, {}) if self._verdict else None

    def _answer(self, asked: QuestionAsked, said: str) -> Command:
        args = {"request": asked.request, "text": resolve_option(asked.options, said)}
        return command(new_command_id(), "answer", args, task=self._task)

    def _approve(self, asked: ApprovalRequested, more: JSON) -> Command:
        args: JSON = {"request": asked.request, "digest": asked.digest} | self._verdict | more
        return command(new_command_id(), "approve", args, task=self._task)
