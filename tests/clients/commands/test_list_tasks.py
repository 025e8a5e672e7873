"""`errand list` in terminals of several widths, and in a file."""

import io

import pytest
from msgspec.structs import replace
from rich.console import Console

from clients.cli.commands.list_tasks import show_table, table_of
from clients.cli.terminal.output import make_console
from events import TaskId
from tests.kit.build.api_answers import task_state

NOW_SECONDS = 1_800_000_000.0
QUESTION = {"text": "Which colour shall the button have, red or green?"}
TASKS = [
    task_state(
        id=f"task_{number:x}" + "q" * 25,
        phase=phase,
        waiting=waiting,
        title="Make the date parser accept leap years in every calendar we support",
        submitted_at="2027-01-15T05:00:00Z",
        repository={"url": "http://127.0.0.1:20072/errand/dates-0a1b2c.git"},
        cost_microusd=1_230_000,
        pull_request={"number": 12, "url": "http://127.0.0.1:20072/errand/dates/pull/12"},
        question=QUESTION if waiting == "question" else None,
    )
    for number, (phase, waiting) in enumerate(
        [("finished", ""), ("waiting", "question"), ("waiting", "approval"), ("working", "")]
    )
]


def listed(width: int) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True, color_system=None)
    show_table(table_of(TASKS, console, now_seconds=NOW_SECONDS), console)
    return out.getvalue().splitlines()


@pytest.mark.parametrize(("width", "title_characters"), [(60, 20), (80, 20), (100, 24), (160, 60)])
def test_a_terminal_shows_a_line_a_task_and_most_of_the_title(
    width: int, title_characters: int
) -> None:
    lines = listed(width)

    assert len(lines) == 1 + len(TASKS) + 1  # and the question of the one that asks
    assert all(len(line) <= width for line in lines)
    assert lines[1].startswith("0qqqqqqq  3 h  finished")
    assert TASKS[0].title[: title_characters - 1] in lines[1]
    assert "waiting: answer" in lines[2]
    assert "? Which colour" in lines[3]
    assert "waiting: approval" in lines[4]


def test_the_pull_request_is_a_number_where_there_is_room() -> None:
    assert "#12" in listed(80)[1]
    assert "$1.23" in listed(80)[1]
    assert "errand/dates-0a1b2c" in listed(100)[1]


def test_a_waiting_task_shows_for_how_long_and_what_its_budget_is() -> None:
    waiting = task_state(
        phase="waiting",
        waiting="budget",
        cost_microusd=2_000_000,
        submitted_at="2027-01-15T05:00:00Z",
        since="2027-01-15T07:48:00Z",
        budget={"cost_microusd": 2_000_000},
        budget_exhausted={"scope": "cost", "spent": 2_000_000, "limit": 2_000_000},
    )
    out = io.StringIO()
    console = Console(file=out, width=120, force_terminal=True, color_system=None)
    show_table(table_of([waiting], console, now_seconds=NOW_SECONDS), console)

    _, row, asks = out.getvalue().splitlines()
    assert "waiting: budget, 12 min" in row
    assert "$2.00 of $2.00" in row
    assert "? $2.00 of $2.00 spent" in asks


def test_ids_are_as_long_as_it_takes_to_tell_them_apart() -> None:
    twins = [replace(TASKS[0], id=TaskId("task_" + "a" * 12 + each + "b" * 13)) for each in "xy"]
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=True, color_system=None)
    show_table(table_of(twins, console, now_seconds=NOW_SECONDS), console)
    assert [line.split()[0] for line in out.getvalue().splitlines()[1:]] == [
        "a" * 12 + "x",
        "a" * 12 + "y",
    ]


def test_a_file_has_everything_whole_and_nothing_padded() -> None:
    out = io.StringIO()
    console = make_console(out)
    show_table(table_of(TASKS, console, now_seconds=NOW_SECONDS), console)

    lines = out.getvalue().splitlines()
    assert lines[1].startswith(TASKS[0].id)
    assert TASKS[0].title in lines[1]
    assert lines[1].endswith("/errand/dates/pull/12")
    assert all(line == line.rstrip() for line in lines)
