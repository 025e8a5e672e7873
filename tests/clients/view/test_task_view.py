"""A task as it was, as text: what is shown, what is compared, and what is honestly left out."""

import io
from io import StringIO

from rich.console import Console

from clients.cli.terminal.output import make_console
from clients.cli.view.edits import Edit, edits, find_stored_diff
from clients.cli.view.task_view import branch_diff_view, changes, edits_view, task_view
from events import ArtifactStored, Blob, CallId, TaskInstructed, ToolCompleted, ToolStarted
from tests.kit.build.any_event import story
from tests.kit.build.api_answers import past_task

DIFF = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n"


def text(shown):
    out = StringIO()
    Console(file=out, width=100).print(shown)
    return out.getvalue()


def past(version, *, said=(), **state):
    return past_task(said, version=version, **{"id": "task_1", **state})


def call(name, diff=""):
    return (
        ToolStarted(call=CallId(name), tool="edit", title=f"Edit {name}"),
        ToolCompleted(call=CallId(name), output="", diff=diff),
    )


def artifact(name, media_type="text/x-diff"):
    return ArtifactStored(name=name, media_type=media_type, blob=Blob("k", 1, "0"))


def test_edits_are_the_calls_that_told_a_diff_under_their_titles():
    history = story(*call("a.py", DIFF), *call("b.py"), TaskInstructed(text="x"))
    assert edits(history) == [Edit(2, "Edit a.py", DIFF)]
    assert edits(story(call("c", DIFF)[1])) == [Edit(1, "an edit", DIFF)]


def test_the_newest_diff_of_the_branch_is_found():
    history = story(artifact("one"), artifact("two"), artifact("log", "text/plain"))
    assert find_stored_diff(history) == (2, "two")
    assert find_stored_diff(story(TaskInstructed(text="x"))) is None


def test_a_state_says_since_when_it_waits_for_what_and_how_much_it_may_spend():
    shown = text(
        task_view(
            past(
                9,
                phase="waiting",
                waiting="budget",
                since="2026-01-01T00:05:00Z",
                cost_microusd=1_500_000,
                turns=40,
                budget={"cost_microusd": 2_000_000, "turns": 40, "wall_seconds": 3600},
                budget_exhausted={"scope": "turns", "spent": 40, "limit": 40},
            )
        )
    )
    assert "Waiting since: 2026-01-01 00:05:00 UTC" in shown
    assert "Budget: $1.50 of $2.00, 40 of 40 turns, at most 60 minutes of work" in shown
    assert "Limit reached: 40 of 40 turns are used." in shown

    retrying = past(9, phase="waiting", waiting="provider", retry_at="2026-01-01T00:06:00Z")
    assert "Goes on by itself: 2026-01-01 00:06:00 UTC" in text(task_view(retrying))


def test_a_state_is_shown_with_all_it_holds():
    shown = text(
        task_view(
            past(
                4,
                said=[(1, "person", "Fix it"), (3, "agent", "I look.")],
                phase="waiting",
                waiting="question",
                question={"request": "req_7", "text": "Which?", "options": ["red", "green"]},
                cost_microusd=1_500_000,
                turns=2,
                plan=[{"text": "look", "state": "done"}],
                pull_request={"number": 1, "url": "http://f/1"},
            )
        )
    )
    assert "at version 4 of 9" in shown
    assert "waiting for your answer · 2 turns · $1.50 model" in shown
    assert "Question: Which?" in shown
    assert "Options: 1. red; 2. green" in shown
    assert "Request: req_7" in shown
    assert "To answer: `errand say task_1 NUMBER`\n" in shown
    assert "✔ look" in shown
    assert "I look." in shown
    assert "http://f/1" in shown


def test_an_approval_is_shown_with_its_request_and_the_command_that_answers():
    approval = {"request": "req_9", "title": "Run rm", "command": "rm -rf docs"}
    shown = text(task_view(past(4, phase="waiting", waiting="approval", approval=approval)))
    assert "waiting for your approval" in shown
    assert "Would run: rm -rf docs" in shown
    assert "`errand approve task_1 req_9` allows it" in shown


def test_a_task_that_waits_at_its_budget_is_shown_with_the_command_that_raises_it():
    shown = text(task_view(past(4, phase="waiting", waiting="budget")))
    assert "To continue: `errand budget task_1 +2` raises its budget by $2\n" in shown


def test_one_of_a_thing_is_not_many():
    shown = text(task_view(past(4, turns=1, files_changed=1, insertions=2)))
    assert "1 turn, 1 changed file, 2 insertions" in shown


def test_in_a_file_no_line_is_folded_or_padded():
    out = io.StringIO()
    line = "+" + "x" * 500
    make_console(out).print(branch_diff_view(f"@@ -1,2 +1,2 @@\n{line}\n+a\n", "The branch"))
    assert out.getvalue().splitlines()[2:] == ["  @@ -1,2 +1,2 @@", f"  {line}", "  +a"]


def test_a_failure_is_shown_with_its_remedy():
    failure = {"reason": "r", "detail": "No.", "remedy": "Allow it."}
    assert "Failed: No. Allow it." in text(task_view(past(4, failure=failure)))


def test_nothing_that_came_from_outside_can_move_the_cursor():
    evil = "\x1b[2Jx\u202e"
    shown = text(task_view(past(1, said=[(1, "agent", evil)], title=evil, activity=evil))) + text(
        edits_view([Edit(1, evil, DIFF + evil)], "Edits")
    )
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_two_versions_differ_in_phase_spend_plan_and_words():
    before = past(
        2, said=[(1, "person", "Fix it")], plan=[{"text": "a", "state": "active"},
        {"text": "b", "state": "pending"}], cost_microusd=100,
    )  # fmt: skip
    after = past(
        6,
        said=[(1, "person", "Fix it"), (5, "agent", "Done")],
        phase="finished",
        plan=[{"text": "a", "state": "done"}, {"text": "c", "state": "pending"}],
        cost_microusd=1_000_100,
        insertions=3,
        branch="errand/x",
        pull_request={"url": "http://f/1"},
    )
    shown = text(changes(before, after))
    for line in (
        "phase: working → finished",
        "model: +$1.00",
        "insertions: +3",
        "branch: none → errand/x",
        "pull request: http://f/1",
        "a: active → done",
        "+ c (pending)",
        "- b",
        "Done",
    ):
        assert line in shown, line
    assert "Fix it" not in shown


def test_what_did_not_change_is_said_too():
    assert "phase: working (unchanged)" in text(changes(past(2), past(2)))


def test_a_diff_is_shown_under_what_it_is():
    shown = text(branch_diff_view(DIFF, "The branch against its base"))
    assert shown.strip().startswith("The branch against its base")
    assert "+new" in shown
