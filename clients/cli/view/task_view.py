"""A task at one version, and the changes between two versions, as text."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from clients.cli.view import event_view
from clients.cli.view.edits import Edit
from clients.cli.view.indented_text import IndentedText
from clients.cli.view.phase_text import answer_hint, format_phase, resume_hint
from events import PlanItem
from events.protocol.api.tasks import Message, PastTask
from events.protocol.task_state import TaskState

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


def task_view(past: PastTask) -> RenderableType:
    """Return phase, cost, plan and conversation of a task at one version."""
    state = past.state
    at = state.updated_at.isoformat().replace("+00:00", "Z")
    parts: list[RenderableType] = [
        Text(event_view.plain(state.title), style="bold"),
        Text(f"{state.id} at version {state.version} of {past.head}, {at}", style="dim"),
        Text(_summary(state)),
    ]
    parts += [Text(line) for line in _facts(state)]
    if state.plan:
        parts += [Text("\nPlan", style="cyan"), *_indented(map(_plan_line, state.plan))]
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


def changes(before: PastTask, after: PastTask) -> RenderableType:
    """Return the changes between two versions of a task: phase, cost, plan, conversation."""
    parts: list[RenderableType] = [
        Text(f"From version {before.state.version} to version {after.state.version}", style="bold"),
        *(Text(line) for line in _changed(before.state, after.state)),
    ]
    plan = list(_changed_plan(before.state.plan, after.state.plan))
    if plan:
        parts += [Text("\nPlan", style="cyan"), *_indented(plan)]
    said = [message for message in after.conversation if message.version > before.state.version]
    if said:
        parts.append(Text("\nNew messages", style="cyan"))
        parts += [_message(message) for message in said]
    return Group(*parts)


def _summary(state: TaskState) -> str:
    spent = " + ".join(
        f"{event_view.format_usd(getattr(state, field))} {what}" for field, what in _MONEY.items()
    )
    counts = ", ".join(
        event_view.format_count(getattr(state, field), what)
        for field, what in _COUNTS.items()
        if getattr(state, field)
    )
    return " · ".join(part for part in (format_phase(state), counts, spent) if part)


def _facts(state: TaskState) -> Iterator[str]:
    for name, text in _named_facts(state):
        if text:
            yield f"{name}: {event_view.plain(text)}"


def _named_facts(state: TaskState) -> Iterator[tuple[str, str]]:
    if origin := state.origin:
        yield "Forked from", f"{origin.task} at version {origin.version}"
    if state.waiting and state.since:
        yield "Waiting since", f"{state.since:%Y-%m-%d %H:%M:%S} UTC"
    if state.retry_at:
        yield "Goes on by itself", f"{state.retry_at:%Y-%m-%d %H:%M:%S} UTC"
    yield "Budget", _budget(state)
    yield "Now", state.activity
    yield "Command", state.command
    if question := state.question:
        yield "Question", question.text
        yield "Options", "; ".join(f"{n}. {o}" for n, o in enumerate(question.options, 1))
        yield "Request", question.request
    if approval := state.approval:
        yield "Needs approval", approval.title
        yield "Would run", approval.diff or approval.command
        yield "Request", approval.request
    if state.budget_exhausted:
        yield "Limit reached", event_view.format_limit(state.budget_exhausted, state.id)
    yield "To answer", answer_hint(state)
    yield "To continue", resume_hint(state)
    yield "Branch", state.branch
    if state.pull_request:
        yield "Pull request", state.pull_request.url
    if state.failure:
        yield "Failed", f"{state.failure.detail} {state.failure.remedy}"


def _budget(state: TaskState) -> str:
    """Return what is used of each limit of a task; empty without limits."""
    if (limits := state.budget) is None:
        return ""
    used = []
    if limits.cost_microusd:
        spent, limit = map(event_view.format_usd, (state.cost_microusd, limits.cost_microusd))
        used.append(f"{spent} of {limit}")
    if limits.turns:
        used.append(f"{state.turns} of {limits.turns} turns")
    if limits.wall_seconds:
        used.append(f"at most {limits.wall_seconds / 60:.0f} minutes of work")
    return ", ".join(used)


def _changed(before: TaskState, after: TaskState) -> Iterator[str]:
    was, now = map(format_phase, (before, after))
    yield f"phase: {was} → {now}" if was != now else f"phase: {now} (unchanged)"
    for field, what in _MONEY.items():
        spent = getattr(after, field) - getattr(before, field)
        if spent:
            yield f"{what}: +{event_view.format_usd(spent)}"
    for field, what in _COUNTS.items():
        more = getattr(after, field) - getattr(before, field)
        if more:
            yield f"{what}s: {more:+d}"
    for field, what in _WORDS.items():
        was, now = getattr(before, field) or "none", getattr(after, field) or "none"
        if was != now:
            yield f"{what}: {event_view.plain(was)} → {event_view.plain(now)}"
    if after.pull_request and not before.pull_request:
        yield f"pull request: {event_view.plain(after.pull_request.url)}"


def _changed_plan(before: Sequence[PlanItem], after: Sequence[PlanItem]) -> Iterator[Text]:
    old = {item.text: item.state for item in before}
    new = {item.text: item.state for item in after}
    for text, state in new.items():
        if text not in old:
            yield Text(f"+ {event_view.plain(text)} ({state})", style="green")
        elif old[text] != state:
            yield Text(f"  {event_view.plain(text)}: {old[text]} → {state}")
    for text in old:
        if text not in new:
            yield Text(f"- {event_view.plain(text)}", style="red")


def _plan_line(item: PlanItem) -> Text:
    mark, style = _MARKS[item.state]
    return Text.assemble((f"{mark} ", style), event_view.plain(item.text))


def _message(message: Message) -> RenderableType:
    speaker, style = _SPEAKERS[message.role]
    head = Text.assemble((f"  {message.version:>4}  ", "dim"), (f"{speaker:<6}", style))
    return Group(head, *_indented([Text(event_view.plain(message.text).strip())], by=8))


def _indented(lines: Iterable[Text], *, by: int = 2) -> list[RenderableType]:
    return [IndentedText(line, by) for line in lines]
