"""Events as lines in a terminal: an event in, renderables out.

Whatever comes from the agent, its tools or the repository is shown as plain text: control
characters and bidirectional marks are shown as escapes, so that output cannot mislead.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

from rich.console import Group, RenderableType
from rich.text import Text

from clients.cli.view.indented_text import IndentedText
from clients.cli.view.phase_text import budget_hint
from events import (
    ApprovalAnswered,
    ApprovalRequested,
    ArtifactStored,
    AttemptStarted,
    BranchPushed,
    BudgetExhausted,
    ContextCompacted,
    EgressAllowed,
    EgressDenied,
    EnvironmentPrepared,
    InstructionEdited,
    InstructionWithdrawn,
    MachineLost,
    MachineRefused,
    MachineRequested,
    MachineStarted,
    ModelFailed,
    ModelReplied,
    PlanItem,
    PlanUpdated,
    PullRequestOpened,
    QuestionAnswered,
    QuestionAsked,
    Recorded,
    TaskAbandoned,
    TaskArchived,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TaskInstructed,
    TaskInterrupted,
    TaskSubmitted,
    ToolCompleted,
    ToolInterrupted,
    ToolStarted,
    WorkspacePrepared,
    plain_text,
)
from events.protocol.api.task_shapes import ExhaustedBudget

_OUTPUT_LINES = 12
_DIFF_LINES = 40
_COMMAND_LINES = 20
_INDENT = 9
_TAB = 4
_INTERRUPT_TEXTS = {
    "machine_lost": "The call was aborted: its machine was lost",
    "drained": "The call was aborted: its machine was shut down",
    "deadline": "The call was aborted: its machine reached its time limit",
    "gateway_unreachable": "The call was aborted: its machine lost the connection to the gateway",
    "object_store_unreachable": "The call was aborted: its machine lost the object store",
    "gateway_refused": "The call was aborted: the gateway refused its machine",
    "interrupted": "You interrupted the call",
    "cancelled": "The call was dropped: the task was cancelled",
    "abandoned": "The call was dropped: the task was abandoned",
    "failed": "The call was dropped: the task had already ended",
    "finished": "The call was dropped: the task had already ended",
    "not_run": "Not run: an earlier call was aborted, or its result was lost",
}
_CENT_MICROUSD = 10_000
_STATES = {"done": ("✔", "green"), "active": ("▸", "yellow"), "pending": ("·", "dim")}


def plain(text: str) -> str:
    """Return text with hiding and reordering characters shown as escapes, and tabs as spaces."""
    return plain_text.plain(text).expandtabs(_TAB)


def format_usd(microusd: int) -> str:
    """Format millionths of a US dollar as dollars and cents; less than a cent is `<$0.01`."""
    if 0 < microusd < _CENT_MICROUSD:
        return "<$0.01"
    return f"${microusd / 1_000_000:,.2f}"


def format_count(number: int, one: str) -> str:
    """Format a count with its noun: "1 file", "2 files"."""
    return f"{number} {one}" if number == 1 else f"{number} {one}s"


def format_elapsed(since: datetime, at: datetime) -> str:
    """Format a time span as minutes and seconds."""
    seconds = max(0.0, (at - since).total_seconds())
    return f"{int(seconds // 60):02d}:{seconds % 60:04.1f}"


def show(recorded: Recorded, since: datetime, *, said: str = "") -> RenderableType | None:
    """Return one event with its time since `since`; None for an event that is not shown.

    `said` is the agent's last shown text: an identical summary is not shown again.
    """
    parts = _parts(recorded)
    if (
        isinstance(recorded.event, TaskFinished)
        and clean_text(recorded.event.summary) == said != ""
    ):
        parts = [_line("✔", "Done", "bold green")]
    if not parts:
        return None
    head = Text.assemble((f"{format_elapsed(since, recorded.at)}  ", "dim"), parts[0])
    if len(parts) == 1:
        return head
    return Group(head, *(IndentedText(part, _INDENT) for part in parts[1:]))


def reply_text(reply: ModelReplied) -> str:
    """Return the text of a reply as it is shown; empty when it only calls tools."""
    blocks = (str(b.get("text", "")) for b in reply.blocks if b.get("type") == "text")
    return next((clean_text(text) for text in blocks if text.strip()), "")


def clean_text(text: str) -> str:
    """Return a text of the agent as it is shown."""
    return plain(text).strip()


def _parts(recorded: Recorded) -> Sequence[Text]:
    match recorded.event:
        case ModelReplied() as reply:
            text = reply_text(reply)
            return [Text(text, style="bold")] if text else []
        case ContextCompacted() as compacted:
            return _compacted(compacted)
        case PlanUpdated(items=items):
            return [Text("Plan", style="cyan"), *map(_plan_line, items)]
        case ToolStarted(tool="plan"):
            return []  # the plan itself follows
        case ToolStarted() as started:
            return _started(started)
        case ToolCompleted() as done:
            return _completed(done)
        case ToolInterrupted(reason=reason):
            return [
                _line(
                    "⚡",
                    _INTERRUPT_TEXTS.get(reason, f"The call was interrupted: {reason}"),
                    "yellow",
                )
            ]
        case QuestionAsked(text=text, options=options):
            choices = [Text(f"{n}. {plain(o)}") for n, o in enumerate(options, 1)]
            said = "NUMBER" if options else '"…"'
            how = Text(f"`errand say {plain(recorded.task)} {said}` answers", style="dim")
            return [_line("?", text, "bold magenta"), *choices, how]
        case ApprovalRequested() as asked:
            return _approval(asked, recorded.task)
        case AttemptStarted(undone=undone) if undone:
            line = _milestone(recorded)
            head = _line(
                "!",
                "Lost with the previous machine; the agent decides whether to repeat it:",
                "yellow",
            )
            titles = [_line("↶", each.title, "yellow") for each in undone]
            return [*([line] if line else []), head, *titles]
        case EnvironmentPrepared() as environment:
            return _environment(environment)
        case _:
            line = _milestone(recorded)
            return [line] if line else []


def _milestone(recorded: Recorded) -> Text | None:
    match recorded.event:
        case TaskSubmitted(prompt=prompt, repository=repository):
            return _line("●", f"{prompt.strip()[:200]}  ({repository.url})", "bold")
        case TaskInstructed(text=text):
            return _line("»", text, "bold blue")
        case InstructionEdited(instruction=instruction, text=text):
            return _line("»", f"Instead of #{instruction}: {text}", "bold blue")
        case InstructionWithdrawn(instruction=instruction):
            return _line("»", f"Withdrew instruction #{instruction}", "blue")
        case QuestionAnswered(text=text):
            return _line("»", f"Answer: {text}", "blue")
        case ApprovalAnswered(verdict="allow", scope=scope):
            return _line("»", f"Allowed{' for the whole task' if scope == 'task' else ''}", "blue")
        case ApprovalAnswered(reason=reason):
            return _line("»", f"Not allowed{': ' + reason if reason else ''}", "blue")
        case EgressAllowed(host=host, port=port):
            return _line("»", f"Allowed connections to {host}:{port} for the whole task", "blue")
        case EgressDenied() as denied:
            return _line("⊘", _denied_text(denied, recorded.task), "yellow")
        case TaskInterrupted():
            return _line("‖", "Interrupted; waiting for your next instruction", "yellow")
        case TaskArchived():
            return _line("▫", "Archived", "dim")
        case MachineRequested(attempt=attempt):
            return _line("…", f"Requesting a machine (attempt {attempt})", "dim")
        case MachineStarted(machine=machine, seconds=seconds):
            return _line("▲", f"Machine {machine} started in {seconds:.1f} s", "dim")
        case MachineRefused(reason=reason):
            return _line("!", f"No machine yet: {reason}", "yellow")
        case MachineLost(reason=reason):
            return _line("!", f"The machine was lost ({reason}); another one continues", "yellow")
        case AttemptStarted(attempt=attempt, sandbox=sandbox):
            return _line(
                "▶", f"The worker has started (attempt {attempt}, sandbox {sandbox})", "dim"
            )
        case WorkspacePrepared(branch=branch, commit=commit, base=base):
            return _line("⎇", f"{branch} from {base} at {commit[:10]}", "dim")
        case _:
            return _outcome(recorded)


def _denied_text(denied: EgressDenied, task: str) -> str:
    times = "once" if denied.count == 1 else f"{denied.count} times"
    if not denied.host:
        return f"Denied connections to many other hosts ({times})"
    target = f"{denied.host}:{denied.port}"
    if denied.reason == "address":
        return f"Denied: {target} ({times}), an address that no task may reach"
    return f"Denied: {target} ({times}); `errand allow {task} {target}` allows it for this task"


def _outcome(recorded: Recorded) -> Text | None:
    match recorded.event:
        case ModelFailed(kind=kind, detail=detail, retry_at=retry_at):
            then = "; retrying" if retry_at else ""
            return _line("!", f"The model call failed ({kind}): {detail}{then}", "yellow")
        case BudgetExhausted():
            return _line("$", format_limit(recorded.event, recorded.task), "red")
        case ArtifactStored(blob=blob) if blob.size_bytes == 0:
            return None  # an empty diff is not worth a line
        case ArtifactStored(name=name, blob=blob):
            return _line("▤", f"Stored {name} ({format_count(blob.size_bytes, 'byte')})", "dim")
        case BranchPushed(branch=branch, commit=commit):
            return _line("⇧", f"Pushed {branch} at {commit[:10]}", "green")
        case PullRequestOpened(number=number, url=url):
            return _line("⇄", f"Pull request #{number}  {url}", "green")
        case TaskFinished(summary=summary):
            return _line("✔", summary, "bold green")
        case TaskCancelled(reason=reason):
            return _line("✖", f"Cancelled{': ' + reason if reason else ''}", "yellow")
        case TaskFailed(detail=detail, remedy=remedy) | TaskAbandoned(detail=detail, remedy=remedy):
            return _line("✖", f"{detail} {remedy}", "bold red")
        case _:
            return None


def _compacted(compacted: ContextCompacted) -> Sequence[Text]:
    by_model = "The conversation grew long; the agent goes on from its own summary of it"
    by_worker = (
        "The conversation grew too long to be read; the agent goes on from an account of its work"
    )
    text = by_model if compacted.writer == "model" else by_worker
    sizes = f"({compacted.tokens_before:,} → about {compacted.tokens_after:,} tokens)"
    lines = _lines(compacted.summary.strip())
    shown = [Text(line, style="dim") for line in lines[:_OUTPUT_LINES]]
    return [_line("≡", f"{text} {sizes}", "cyan"), *shown, *_rest(len(lines) - _OUTPUT_LINES)]


def _started(started: ToolStarted) -> Sequence[Text]:
    """Return a call's title and, unless the title contains it, its command."""
    head = Text.assemble(("⚙ ", "cyan"), plain(started.title), (f"  {plain(started.tool)}", "dim"))
    command = plain(started.command).strip()
    if not command or started.title == f"$ {command}":
        return [head]
    lines = command.split("\n")
    shown = [Text(f"$ {lines[0]}"), *(Text(f"  {line}") for line in lines[1:_COMMAND_LINES])]
    return [head, *shown, *_rest(len(lines) - _COMMAND_LINES)]


def _environment(prepared: EnvironmentPrepared) -> Sequence[Text]:
    """Return how the environment was set up; of a set-up that failed its last lines too."""
    seconds, reason = f"{prepared.seconds:.1f} s", prepared.reason
    if prepared.cached:
        head = _line("⚒", f"The environment comes from the cache ({reason}, {seconds})", "dim")
    elif prepared.exit_code or prepared.problem:
        head = _line("!", f"The environment is not complete ({reason}, {seconds})", "yellow")
    else:
        head = _line("⚒", f"The environment is set up ({reason}, {seconds})", "dim")
    problem = [_line("!", prepared.problem, "yellow")] if prepared.problem else []
    output = _output_lines(prepared.output) if prepared.exit_code else []
    return [head, *problem, *output]


def _completed(done: ToolCompleted) -> Sequence[Text]:
    mark = ("✗", "red") if done.is_error or done.exit_code else ("✓", "green")
    code = f"exit code {done.exit_code}, " if done.exit_code else ""
    head = Text.assemble((f"{mark[0]} ", mark[1]), (f"{code}{done.seconds:.1f} s", "dim"))
    body = diff_lines(done.diff, _DIFF_LINES) if done.diff else _output_lines(done.output)
    return [head, *body]


def diff_lines(diff: str, max_lines: int) -> list[Text]:
    """Return a coloured unified diff without `---` and `+++` headers, at most `max_lines` long."""
    lines = _without_headers(plain(diff).split("\n"))
    shown = [Text(line, style=_diff_style(line)) for line in lines[:max_lines]]
    return shown + _rest(len(lines) - max_lines)


def _without_headers(lines: Sequence[str]) -> list[str]:
    """Drop the two header lines before a file's first hunk; within a hunk `---` is a change."""
    kept = []
    is_header = True
    for line in lines[: len(lines) - (lines[-1] == "")]:
        if line.startswith(("diff ", "@@")):
            is_header = not line.startswith("@@")
        if not (is_header and line.startswith(("--- ", "+++ "))):
            kept.append(line)
    return kept


def _diff_style(line: str) -> str:
    if line.startswith("diff "):
        return "bold"
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")


def _output_lines(output: str) -> list[Text]:
    lines = _lines(output.rstrip())
    hidden = len(lines) - _OUTPUT_LINES
    return _rest(hidden) + [Text(line, style="dim") for line in lines[-_OUTPUT_LINES:]]


def _approval(asked: ApprovalRequested, task: str) -> Sequence[Text]:
    """Return the complete request and how to answer: nobody should approve what they cannot see."""
    until = f"{asked.expires_at:%Y-%m-%d %H:%M} UTC"
    how = f"`errand approve {task} {asked.request}` allows it; --for-task also allows similar "
    how += f"calls for this task; --deny denies it; without an answer by {until} it is denied."
    change = [Text(line, style=_diff_style(line)) for line in _lines(asked.diff)]
    return [
        _line("?", f"Approval needed: {asked.title}  ({asked.covers})", "bold magenta"),
        *(Text(line, style="bold") for line in _lines(asked.command)),
        *change,
        Text(plain(how), style="dim"),
    ]


def _lines(text: str) -> list[str]:
    shown = plain(text)
    return shown.removesuffix("\n").split("\n") if shown else []


def _rest(count: int) -> list[Text]:
    return [Text(f"… {format_count(count, 'more line')}", style="dim italic")] if count > 0 else []


def _plan_line(item: PlanItem) -> Text:
    mark, style = _STATES[item.state]
    return Text.assemble((f"{mark} ", style), plain(item.text))


def _line(mark: str, text: str, style: str) -> Text:
    return Text(f"{mark} {plain(text).strip()}", style=style)


def format_limit(met: BudgetExhausted | ExhaustedBudget, task: str) -> str:
    """Return which limit a task has reached and how to continue."""
    match met.scope:
        case "cost":
            spent = f"{format_usd(met.spent)} of {format_usd(met.limit)} spent"
            return f"{spent}: too little is left for another reply. {budget_hint(task)}"
        case "turns":
            used = f"{met.spent} of {met.limit} turns are used."
            return f"{used} {budget_hint(task)} and gives it more turns"
        case "wall":
            minutes = f"{met.spent / 60:.0f} of {met.limit / 60:.0f} minutes"
            return f"{minutes} of work are used. {budget_hint(task)} and gives it more time"
        case "person" | "account" as whose:
            spent = (
                f"{format_usd(met.spent)} of {format_usd(met.limit)} of the {whose}'s budget spent"
            )
            until = (
                f"{met.resets_at:%Y-%m-%d %H:%M} UTC" if met.resets_at else "the budget is renewed"
            )
            return (
                f"{spent}: too little is left for another reply. The task waits until {until},"
                " or until an owner raises that budget (PUT /v1/settings) and you send the task an"
                " instruction"
            )
        case unknown:
            assert_never(unknown)
