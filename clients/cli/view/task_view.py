"""A task at one version, and the changes between two versions, as text."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from clients.cli.gateway.task_history import Message, TaskAtVersion
from clients.cli.terminal.output import IndentedText
from clients.cli.view import event_view
from clients.cli.view.edits import Edit
from clients.cli.view.phase_text import answer_hint, format_phase, resume_hint

_EDIT_LINES: Final = 200
_MARKS: Final = {"done": ("✔", "green"), "active": ("▸", "yellow"), "pending": ("·", "dim")}
_SPEAKERS: Final = {
    "person": ("you", "bold blue"),
    "agent": ("agent", "bold"),
    "question": ("asks", "bold magenta"),
    "answer": ("you", "blue"),
    "summary": ("done", "bold green"),
}
_COUNTS: Final = {
    "attempts": "attempt",
    "turns": "turn",
    "tool_calls": "tool call",
    "input_tokens": "input token",
    "output_tokens": "output token",
    "files_changed": "changed file",
    "insertions": "insertion",
    "deletions": "deletion",
}
_WORDS: Final = {
    "branch": "branch",
    "commit": "commit",
    "outcome": "outcome",
    "activity": "activity",
}
_MONEY: Final = {"cost_microusd": "model", "machine_cost_microusd": "machines"}


def task_view(past: TaskAtVersion) -> RenderableType:
    """Return phase, cost, plan and conversation of a task at one version."""
    state = past.state
    at = str(state["updated_at"])
    parts: list[RenderableType] = [
        Text(event_view.plain(str(state["title"])), style="bold"),
        Text(f"{state['id']} at version {past.version} of {past.head}, {at}", style="dim"),
        Text(_standing(state)),
    ]
    parts += [Text(line) for line in _facts(state)]
    if state.get("plan"):
        parts += [Text("\nPlan", style="cyan"), *_indented(_plan(state["plan"]))]
    if past.conversation:
        parts.append(Text("\nConversation", style="cyan"))
        parts += [_message(message) for message in past.conversation]
    return Group(*parts)


def edits_view(edits: Sequence[Edit], heading: str) -> RenderableType:
    """Return edits under a heading."""
    parts: list[RenderableType] = [Text(f"\n{heading}", style="cyan")]
    for edit in edits:
        parts.append(Text(f"  {edit.version:>4}  {event_view.plain(edit.title)}"))
        parts += _indented(event_view.diff_lines(edit.diff, _EDIT_LINES), by=8)
    return Group(*parts)


def branch_diff_view(diff: str, heading: str) -> RenderableType:
    """Return the diff of a branch under a heading."""
    lines = event_view.diff_lines(diff, _EDIT_LINES)
    return Group(Text(f"\n{heading}", style="cyan"), *_indented(lines))


def changes(before: TaskAtVersion, after: TaskAtVersion) -> RenderableType:
    """Return the changes between two versions of a task: phase, cost, plan, conversation."""
    parts: list[RenderableType] = [
        Text(f"From version {before.version} to version {after.version}", style="bold"),
        *(Text(line) for line in _changed(before.state, after.state)),
    ]
    plan = list(_changed_plan(before.state.get("plan", []), after.state.get("plan", [])))
    if plan:
        parts += [Text("\nPlan", style="cyan"), *_indented(plan)]
    said = [message for message in after.conversation if message.version > before.version]
    if said:
        parts.append(Text("\nNew messages", style="cyan"))
        parts += [_message(message) for message in said]
    return Group(*parts)


def _standing(state: Mapping[str, Any]) -> str:
    spent = " + ".join(
        f"{event_view.format_usd(int(state.get(field, 0)))} {what}"
        for field, what in _MONEY.items()
    )
    counts = ", ".join(
        event_view.format_count(int(state[field]), what)
        for field, what in _COUNTS.items()
        if state.get(field)
    )
    return " · ".join(part for part in (format_phase(state), counts, spent) if part)


def _facts(state: Mapping[str, Any]) -> Iterator[str]:
    question = state.get("question") or {}
    approval = state.get("approval") or {}
    request = state.get("pull_request") or {}
    failure = state.get("failure") or {}
    told = {
        "Now": state.get("activity"),
        "Command": state.get("command"),
        "Question": question.get("text"),
        "Options": "; ".join(f"{n}. {o}" for n, o in enumerate(question.get("options") or [], 1)),
        "Needs approval": approval.get("title"),
        "Would run": approval.get("diff") or approval.get("command"),
        "Request": question.get("request") or approval.get("request"),
        "To answer": answer_hint(state),
        "To continue": resume_hint(state),
        "Branch": state.get("branch"),
        "Pull request": request.get("url"),
        "Failed": f"{failure['detail']} {failure['remedy']}" if failure else "",
    }
    for name, text in told.items():
        if text:
            yield f"{name}: {event_view.plain(str(text))}"


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    was, now = map(format_phase, (before, after))
    yield f"phase: {was} → {now}" if was != now else f"phase: {now} (unchanged)"
    for field, what in _MONEY.items():
        spent = int(after.get(field, 0)) - int(before.get(field, 0))
        if spent:
            yield f"{what}: +{event_view.format_usd(spent)}"
    for field, what in _COUNTS.items():
        more = int(after.get(field, 0)) - int(before.get(field, 0))
        if more:
            yield f"{what}s: {more:+d}"
    for field, what in _WORDS.items():
        if before.get(field, "") != after.get(field, ""):
            words = (event_view.plain(str(s.get(field) or "none")) for s in (before, after))
            yield f"{what}: {' → '.join(words)}"
    url = (after.get("pull_request") or {}).get("url")
    if url and not before.get("pull_request"):
        yield f"pull request: {event_view.plain(str(url))}"


def _changed_plan(
    before: Sequence[Mapping[str, str]], after: Sequence[Mapping[str, str]]
) -> Iterator[Text]:
    stood = {item["text"]: item["state"] for item in before}
    stands = {item["text"]: item["state"] for item in after}
    for text, state in stands.items():
        if text not in stood:
            yield Text(f"+ {event_view.plain(text)} ({state})", style="green")
        elif stood[text] != state:
            yield Text(f"  {event_view.plain(text)}: {stood[text]} → {state}")
    for text in stood:
        if text not in stands:
            yield Text(f"- {event_view.plain(text)}", style="red")


def _plan(items: Sequence[Mapping[str, str]]) -> Iterator[Text]:
    for item in items:
        mark, style = _MARKS.get(item["state"], ("·", ""))
        yield Text.assemble((f"{mark} ", style), event_view.plain(item["text"]))


def _message(message: Message) -> RenderableType:
    speaker, style = _SPEAKERS.get(message.role, (message.role, ""))
    head = Text.assemble((f"  {message.version:>4}  ", "dim"), (f"{speaker:<6}", style))
    return Group(head, *_indented([Text(event_view.plain(message.text).strip())], by=8))


def _indented(lines: Iterator[Text] | Sequence[Text], *, by: int = 2) -> list[RenderableType]:
    return [IndentedText(line, by) for line in lines]
