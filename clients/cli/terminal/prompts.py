"""At a terminal: what the agent asks is put to the person, line by line, and becomes a command."""

from collections.abc import Sequence

from clients.cli.gateway.client import JSON, new_command
from clients.cli.stream.outbox import Command, command
from events import ApprovalRequested, QuestionAsked

Asked = QuestionAsked | ApprovalRequested

_ANSWER = "Your answer: "
_VERDICT = "Allow it? (y)es, yes to similar calls for this whole (t)ask, (n)o: "
_REASON = "Why not? (Enter for no reason): "
_VERDICTS: dict[str, JSON] = {
    "y": {"verdict": "allow"},
    "yes": {"verdict": "allow"},
    "t": {"verdict": "allow", "scope": "task"},
    "task": {"verdict": "allow", "scope": "task"},
    "n": {"verdict": "deny"},
    "no": {"verdict": "deny"},
}


def chosen(options: Sequence[str], said: str) -> str:
    """Return the option a number stands for; what is said otherwise."""
    number = said.strip()
    if number.isascii() and number.isdigit() and 0 < int(number) <= len(options):
        return options[int(number) - 1]
    return said


class Dialog:
    """One question or approval, put to a person. `prompt` is what to show before each line."""

    def __init__(self, task: str, asked: Asked) -> None:
        self.asked = asked
        self.prompt = _VERDICT if isinstance(asked, ApprovalRequested) else _ANSWER
        self._task = task
        self._verdict: JSON = {}

    def hear(self, line: str) -> Command | None:
        """Take a line; give the command when all is said."""
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
        args = {"request": asked.request, "text": chosen(asked.options, said)}
        return command(new_command(), "answer", args, task=self._task)

    def _approve(self, asked: ApprovalRequested, more: JSON) -> Command:
        args: JSON = {"request": asked.request, "digest": asked.digest} | self._verdict | more
        return command(new_command(), "approve", args, task=self._task)
