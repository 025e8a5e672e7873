"""Prompts in a terminal for the agent's questions and approvals."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from clients.cli.gateway.client import new_command_id
from clients.cli.stream.outbox import Command, command
from events import ApprovalRequested, QuestionAsked, Scope, Verdict
from events.protocol.api.requests import ApprovalAnswerRequest, QuestionAnswerRequest

HumanRequest = QuestionAsked | ApprovalRequested


class _Choice(NamedTuple):
    verdict: Verdict
    scope: Scope = "once"


_ANSWER: Final = "Your answer: "
_VERDICT: Final = "Allow this call? (y)es, (t)ask: also allow similar calls for this task, (n)o: "
_REASON: Final = "Reason (optional, press Enter to skip): "
_CHOICES: Final = {
    "y": _Choice("allow"),
    "yes": _Choice("allow"),
    "t": _Choice("allow", "task"),
    "task": _Choice("allow", "task"),
    "n": _Choice("deny"),
    "no": _Choice("deny"),
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
        self._has_denied = False

    def receive_line(self, line: str) -> Command | None:
        """Handle a line; return the command when the answer is complete."""
        said = line.strip()
        if isinstance(self.asked, QuestionAsked):
            return self._answer(self.asked, said) if said else None
        if self._has_denied:
            return self._approve(self.asked, _Choice("deny"), reason=said)
        choice = _CHOICES.get(said.lower())
        if choice is not None and choice.verdict == "deny":
            self._has_denied = True
            self.prompt = _REASON
            return None
        return self._approve(self.asked, choice) if choice else None

    def _answer(self, asked: QuestionAsked, said: str) -> Command:
        answer = resolve_option(asked.options, said)
        args = QuestionAnswerRequest(request=asked.request, text=answer)
        return command(new_command_id(), "answer", args, task=self._task)

    def _approve(self, asked: ApprovalRequested, choice: _Choice, *, reason: str = "") -> Command:
        args = ApprovalAnswerRequest(
            request=asked.request,
            digest=asked.digest,
            verdict=choice.verdict,
            reason=reason,
            scope=choice.scope,
        )
        return command(new_command_id(), "approve", args, task=self._task)
