"""Events as lines in a terminal: nothing that is shown can lie, and nothing breaks the showing."""

import io
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from clients.cli.terminal.output import make_console, replace_unencodable
from clients.cli.view import event_view
from events import (
    ApprovalRequested,
    ArtifactStored,
    AttemptEnded,
    AttemptStarted,
    Blob,
    BudgetExhausted,
    CallId,
    ContextCompacted,
    EgressAllowed,
    EgressDenied,
    MachineDestroyed,
    MachineId,
    ModelReplied,
    ModelRequested,
    PlanItem,
    PlanUpdated,
    QuestionAsked,
    RequestId,
    TaskFailed,
    TaskFinished,
    TaskInstructed,
    ToolCompleted,
    ToolInterrupted,
    ToolStarted,
    UndoneCall,
    Usage,
)
from tests.kit.build.any_event import BEGINNING, HISTORY, any_fact, recorded

EVIL = "\x1b]0;owned\x07\x1b[2J\u202egnp.exe\u2066\x00\r\x9b31m\u200b"


def shown(event: Any) -> str:
    out = io.StringIO()
    renderable = event_view.show(recorded(event), BEGINNING)
    if renderable is not None:
        Console(file=out, width=200, highlight=False).print(renderable)
    return out.getvalue()


@given(any_fact)
def test_every_event_is_shown_or_silent(event: Any) -> None:
    for c in shown(event):
        assert c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co")


@given(st.text())
def test_plain_text_keeps_every_visible_character(text: str) -> None:
    kept = event_view.plain(text)

    assert event_view.plain(kept) == kept
    rest = iter(kept)
    assert all(c in rest for c in visible(text)), "in the order in which they were"
    assert "\t" in text or kept.count(" ") == text.count(" ")


def wanting(**fields: Any) -> ApprovalRequested:
    known: dict[str, Any] = {
        "request": RequestId("req_1"),
        "call": CallId("c"),
        "digest": "d",
        "tool": "bash",
        "title": "$ rm x",
        "covers": "deleting files",
        "expires_at": BEGINNING,
    }
    return ApprovalRequested(**{**known, **fields})


def visible(text: str) -> list[str]:
    return [c for c in text if c.isprintable() and c != " " and event_view.plain(c) == c]


@pytest.mark.parametrize(
    "event",
    [
        TaskInstructed(text=EVIL),
        TaskFailed(reason="r", detail=EVIL, remedy=EVIL),
        ToolStarted(call=CallId("c"), tool=EVIL, title=EVIL),
        ToolCompleted(call=CallId("c"), output=EVIL),
        ToolCompleted(call=CallId("c"), output="", diff=f"@@ -1 +1 @@\n+{EVIL}"),
        PlanUpdated(items=(PlanItem(EVIL, "active"),)),
        QuestionAsked(request=RequestId("r"), call=CallId("c"), text=EVIL, options=(EVIL,)),
        wanting(title=EVIL, command=EVIL, diff=EVIL, covers=EVIL),
        ModelReplied(
            turn=1,
            stop_reason="x",
            usage=Usage(),
            cost_microusd=0,
            blocks=({"type": "text", "text": EVIL},),
        ),
    ],
    ids=lambda event: type(event).__name__,
)
def test_control_characters_are_shown_as_escapes(event: Any) -> None:
    text = shown(event)

    assert r"\u202egnp.exe\u2066" in text
    assert not {"\x1b", "\x07", "\u202e", "\u2066", "\x00", "\r", "\x9b", "\u200b"} & set(text)


def test_square_brackets_are_not_markup() -> None:
    assert "[bold]x[/nothing]" in shown(TaskInstructed(text="[bold]x[/nothing]"))


@pytest.mark.parametrize(
    "event",
    [
        ModelRequested(turn=1, model="m"),
        AttemptEnded(attempt=1, reason="done"),
        MachineDestroyed(attempt=1, machine=MachineId("m"), billed_seconds=1.0, cost_microusd=1),
        ModelReplied(turn=1, stop_reason="tool_use", usage=Usage(), cost_microusd=0),
    ],
)
def test_what_says_nothing_to_a_person_is_silent(event: Any) -> None:
    assert shown(event) == ""


def test_a_question_is_shown_with_its_choices() -> None:
    asked = QuestionAsked(
        request=RequestId("r"), call=CallId("c"), text="Which?", options=("one", "two")
    )

    assert shown(asked).split() == [
        *("00:01.0", "?", "Which?", "1.", "one", "2.", "two"),
        *("`errand", "say", HISTORY.task, "NUMBER`", "answers"),
    ]


@pytest.mark.parametrize(
    ("scope", "limit"),
    [("cost", "$0.05 of $0.05"), ("turns", "50000 of 50000 turns"), ("wall", "833 of 833 minutes")],
)
def test_a_budget_that_is_reached_is_shown_with_the_command_that_raises_it(
    scope: Any, limit: str
) -> None:
    line = shown(BudgetExhausted(scope=scope, spent=50_000, limit=50_000))

    assert limit in line
    assert f"`errand budget {HISTORY.task} +2` raises its budget by $2" in " ".join(line.split())


@pytest.mark.parametrize("scope", ["person", "account"])
def test_a_shared_budget_that_is_reached_names_no_command_that_would_not_help(scope: Any) -> None:
    line = " ".join(shown(BudgetExhausted(scope=scope, spent=9, limit=9)).split())

    assert "errand budget" not in line
    assert f"the {scope}'s budget" in line
    assert "an owner raises that budget" in line


def test_what_asks_for_approval_is_shown_whole_and_how_to_answer() -> None:
    command = "\n".join(f"rm file{n}" for n in range(60))
    text = shown(wanting(command=command))

    assert [line.strip() for line in text.splitlines()][1:61] == command.split("\n")
    words = " ".join(text.split())
    assert "Approval needed: $ rm x (deleting files)" in words
    assert f"`errand approve {HISTORY.task} req_1` allows it" in words


def test_a_change_that_asks_for_approval_is_shown_whole_and_with_its_path() -> None:
    diff = "--- a/x\n+++ b/x\n@@ -1,0 +1,60 @@\n" + "".join(f"+line {n}\n" for n in range(60))
    lines = [line.strip() for line in shown(wanting(diff=diff)).splitlines()]

    assert lines[1:4] == ["--- a/x", "+++ b/x", "@@ -1,0 +1,60 @@"]
    assert lines[4:64] == [f"+line {n}" for n in range(60)]


def test_what_a_lost_machine_took_along_is_named() -> None:
    undone = (UndoneCall(CallId("c"), "write", "Write a.py"),)

    text = shown(AttemptStarted(attempt=2, machine=MachineId("m"), undone=undone))

    assert "Lost with the previous machine" in text
    assert "Write a.py" in text


@pytest.mark.parametrize("reason", ["failed", "not_run", "machine_lost", "cancelled"])
def test_a_call_that_was_cut_off_says_why(reason: str) -> None:
    text = shown(ToolInterrupted(call=CallId("c"), reason=reason))

    assert not text.rstrip().endswith(f": {reason}")
    assert "You" not in text


def test_long_output_is_cut_to_its_end() -> None:
    output = "\n".join(f"line {n}" for n in range(30))
    text = shown(ToolCompleted(call=CallId("c"), output=output, exit_code=2, seconds=1.25))

    lines = [line.strip() for line in text.splitlines()]
    assert lines[0] == "00:01.0  ✗ exit code 2, 1.2 s"
    assert lines[1] == "… 18 more lines"
    assert lines[2:] == [f"line {n}" for n in range(18, 30)]


def test_a_line_with_tabs_stays_a_line() -> None:
    output = "     16\tdef shorten(slug):\n     17\t\treturn slug"

    lines = shown(ToolCompleted(call=CallId("c"), output=output)).splitlines()

    assert lines[1:] == [
        "         " + "     16 def shorten(slug):",
        "         " + "     17     return slug",
    ]


def test_a_diff_loses_its_header_and_none_of_its_changes() -> None:
    diff = (
        "diff --git a/q.sql b/q.sql\nindex 1..2 100644\n--- a/q.sql\n+++ b/q.sql\n"
        "@@ -1,2 +1,2 @@\n--- a removed comment\n+++ added\n same\n"
        "diff --git a/r b/r\n--- a/r\n+++ b/r\n@@ -1 +1 @@\n-old\n+new\n"
    )

    assert [str(line) for line in event_view.diff_lines(diff, 99)] == [
        "diff --git a/q.sql b/q.sql",
        "index 1..2 100644",
        "@@ -1,2 +1,2 @@",
        "--- a removed comment",
        "+++ added",
        " same",
        "diff --git a/r b/r",
        "@@ -1 +1 @@",
        "-old",
        "+new",
    ]


def test_a_long_diff_says_how_much_is_left_out() -> None:
    diff = "@@ -0,0 +1,50 @@\n" + "\n".join(f"+{n}" for n in range(50))

    lines = [str(line) for line in event_view.diff_lines(diff, 10)]
    assert len(lines) == 11
    assert lines[-1] == "… 41 more lines"


def test_an_empty_diff_is_no_line() -> None:
    assert event_view.diff_lines("", 10) == []


@pytest.mark.parametrize(
    ("microusd", "spelled"),
    [
        (0, "$0.00"),
        (1_500_000, "$1.50"),
        (123, "<$0.01"),
        (9_999, "<$0.01"),
        (10_000, "$0.01"),
        (2_345_678_900, "$2,345.68"),
    ],
)
def test_money_is_spelled_in_dollars(microusd: int, spelled: str) -> None:
    assert event_view.format_usd(microusd) == spelled


def test_a_summary_the_agent_has_just_said_is_not_shown_again() -> None:
    finished = recorded(TaskFinished(summary="All is well.", outcome="branch"))

    assert "All is well." in shown_text(event_view.show(finished, BEGINNING))
    assert (
        shown_text(event_view.show(finished, BEGINNING, said="All is well.")) == "00:01.0  ✔ Done\n"
    )


def test_an_empty_diff_is_not_kept_in_words() -> None:
    kept = ArtifactStored(name="diff.patch", blob=Blob("key", 0, ""), media_type="text/x-diff")
    assert shown(kept) == ""


def test_in_a_file_no_line_is_folded_or_padded() -> None:
    line = "x" * 300
    out = io.StringIO()
    done = ToolCompleted(call=CallId("c"), output=f"{line}\nshort\n")
    make_console(out).print(event_view.show(recorded(done), BEGINNING))

    assert out.getvalue().splitlines()[1:] == [f"         {line}", "         short"]


def test_a_terminal_folds_what_is_too_long_and_keeps_the_indent() -> None:
    out = io.StringIO()
    done = ToolCompleted(call=CallId("c"), output="word " * 40)
    terminal = Console(file=out, width=60, force_terminal=True, color_system=None)
    terminal.print(event_view.show(recorded(done), BEGINNING))

    lines = out.getvalue().splitlines()[1:]
    assert len(lines) > 3
    assert all(line.startswith("         word") for line in lines)


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("utf-8", "✓ “x” é \u6587"),
        ("latin-1", '+ "x" é \\u6587'),
        ("ascii", '+ "x" \\xe9 \\u6587'),
    ],
)
def test_what_an_encoding_lacks_is_replaced(encoding: str, written: str) -> None:
    content = io.BytesIO()
    stream = io.TextIOWrapper(content, encoding=encoding)
    replace_unencodable(stream)
    make_console(stream).print("✓ “x” é \u6587", end="")
    stream.flush()
    assert content.getvalue().decode(encoding) == written


def shown_text(renderable: Any) -> str:
    out = io.StringIO()
    Console(file=out, width=200, highlight=False).print(renderable)
    return out.getvalue()


def test_a_command_is_shown_under_its_title() -> None:
    named = shown(
        ToolStarted(call=CallId("c"), tool="bash", title="Run the tests", command="pytest -q\nx")
    )
    same = shown(ToolStarted(call=CallId("c"), tool="bash", title="$ ls -la", command="ls -la"))
    long = "\n".join(f"line {n}" for n in range(30))
    many = shown(ToolStarted(call=CallId("c"), tool="bash", title="$ line 0 …", command=long))

    assert "Run the tests" in named
    assert "$ pytest -q\n" in named
    assert same.count("ls -la") == 1
    assert "10 more lines" in many


def test_a_denied_host_is_shown_with_the_command_that_allows_it() -> None:
    denied = EgressDenied(host="api.example.com", port=443, count=3)
    line = (
        f"Denied: api.example.com:443 (3 times); `errand allow {HISTORY.task} api.example.com:443`"
    )
    assert line in shown(denied)
    private = EgressDenied(host="intern.example.com", port=443, count=1, reason="address")
    assert "errand allow" not in shown(private)
    assert "many other hosts (9 times)" in shown(EgressDenied(host="", port=0, count=9))
    allowed = shown(EgressAllowed(host="api.example.com", port=443))
    assert "Allowed connections to api.example.com:443" in allowed


def test_a_summary_is_shown_with_its_beginning_and_what_it_saved() -> None:
    text = "\n".join(f"line {number}" for number in range(20))
    fact = ContextCompacted(
        turn=7, through=90, summary=text, tokens_before=412_000, tokens_after=9_000
    )
    screen = shown(fact)
    assert "412,000 → about 9,000 tokens" in screen
    assert "line 11" in screen
    assert "8 more lines" in screen
    assert "line 12" not in screen
