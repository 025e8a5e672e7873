"""`python -m clients.cli`, as a person types it: what it says, and the exit code."""

import json
import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.clients.errand_process import ME, TASK, command, environment, errand
from tests.kit.build.api_answers import answer, artifact, problem, refusal, session, task_state
from tests.kit.fakes.scripted_http import scripted_http

SESSION = answer(session(), 201)
STORED_SESSION = {"token": "t", "refresh_token": "r", "expires_at": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["dance"], "No such command 'dance'"),
        (["run"], "Missing argument 'PROMPT'"),
        (["run", "x", "--budget", "-1"], "--budget"),
        (["run", "x", "--colour", "red"], "No such option"),
        (["watch", "t", "--after", "x"], "--after"),
        (["list", "--limit", "many"], "--limit"),
        (["say", "t"], "Missing argument 'TEXT'"),
        (["cancel"], "Missing argument 'TASK'"),
        (["pair", "http://x"], "Missing argument 'CODE'"),
    ],
)
def test_what_is_not_understood_is_said_with_the_usage(
    tmp_path: Path, arguments: list[str], says: str
) -> None:
    ended = errand(tmp_path, *arguments)

    assert ended.returncode == 2
    assert says in ended.stderr
    assert ended.stdout == ""


def test_help_names_every_command(tmp_path: Path) -> None:
    ended = errand(tmp_path, "--help")

    assert ended.returncode == 0
    for name in ("run", "watch", "list", "say", "cancel", "outbox", "pair", "doctor"):
        assert f"  {name} " in ended.stdout


def test_trouble_is_two_lines_and_no_traceback(tmp_path: Path) -> None:
    ended = errand(tmp_path, "list")

    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "errand: No gateway is known on this machine.",
        "  `make run` starts one on this machine; `errand pair URL CODE` signs in to another.",
    ]


def test_what_the_gateway_refuses_is_told_with_its_control_characters_shown(tmp_path: Path) -> None:
    errors = [{"pointer": "/prompt", "detail": "say something"}]
    refused = problem("The prompt is\u001b[2J empty.", 422, errors=errors)
    with scripted_http() as gateway:
        gateway.answers = [ME, refusal(refused)]
        ended = errand(tmp_path, "run", "", "-r", "https://f/o/r.git", gateway=gateway)

    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "errand: The prompt is\\x1b[2J empty.",
        "  /prompt: say something",
    ]


def test_a_path_that_is_no_folder_is_told(tmp_path: Path) -> None:
    with scripted_http() as gateway:
        gateway.answers = [ME]
        ended = errand(tmp_path, "run", "x", "-r", "nowhere", gateway=gateway)

    assert ended.returncode == 1
    assert "nowhere is neither a folder nor a URL" in ended.stderr


def test_a_task_sent_and_left_is_its_id(tmp_path: Path) -> None:
    with scripted_http() as gateway:
        gateway.answers = [ME, answer(task_state(), 201)]
        ended = errand(
            tmp_path, "run", "Fix", "-r", "https://f/o/r.git", "-b", "dev", "--budget", "1.5",
            "--detach", gateway=gateway,
        )  # fmt: skip

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"{TASK}\n", "")
    assert json.loads(gateway.asked[1][1]) == {
        "prompt": "Fix",
        "repository": {"url": "https://f/o/r.git", "base": "dev"},
        "budget": {"cost_microusd": 1_500_000},
    }


def test_tasks_are_listed_and_cannot_lie(tmp_path: Path) -> None:
    task = task_state(
        phase="waiting",
        waiting="question",
        title="[red]Fix\u001b[31m it[/red]",
        cost_microusd=20_000,
        pull_request={"url": "https://f/1"},
    )
    with scripted_http() as gateway:
        gateway.answers = [ME, answer({"data": [task], "next": None})]
        ended = errand(tmp_path, "list", "--phase", "waiting", gateway=gateway)

    assert ended.returncode == 0
    for text in (TASK, "waiting: answer", "[red]Fix\\x1b[31m it[/red]", "$0.02", "https://f/1"):
        assert text in ended.stdout
    assert gateway.asked[1][0] == "GET /v1/tasks?phase=waiting&limit=20"


def test_a_listed_task_can_be_named_from_there(tmp_path: Path) -> None:
    """However narrow the terminal: what is cut off cannot be copied."""
    task = task_state(
        id=f"task_{'q' * 26}",
        phase="finished",
        title="A title that is far too long for any line that has all the rest in it",
        pull_request={"url": f"https://forge.example/{'x' * 40}/pull/1"},
    )
    with scripted_http() as gateway:
        gateway.answers = [ME, answer({"data": [task], "next": None})]
        ended = errand(tmp_path, "list", gateway=gateway)

    assert task.id in ended.stdout


def test_a_search_asks_for_pages_until_it_has_enough_and_shows_where_the_words_are(
    tmp_path: Path,
) -> None:
    first, second = (task_state(id=f"task_{each * 26}", title="Fix it") for each in "ab")
    match = {"role": "agent", "version": 7, "snippet": "the \u001b[31mneedle lies here"}
    with scripted_http() as gateway:
        gateway.answers = [
            ME,
            answer({"data": [first], "next": "p2", "matches": {first.id: match}}),
            answer({"data": [], "next": "p3"}),
            answer({"data": [second], "next": None, "matches": {}}),
        ]
        ended = errand(tmp_path, "list", "--search", "needle hay", "--archived", gateway=gateway)

    assert ended.returncode == 0
    assert first.id in ended.stdout
    assert second.id in ended.stdout
    assert "#7 the \\x1b[31mneedle lies here" in ended.stdout
    assert [path for path, *_ in gateway.asked[1:]] == [
        "GET /v1/tasks?search=needle+hay&archived=true&limit=20",
        "GET /v1/tasks?search=needle+hay&archived=true&limit=19&after=p2",
        "GET /v1/tasks?search=needle+hay&archived=true&limit=19&after=p3",
    ]


def test_a_search_that_finds_nothing_says_so(tmp_path: Path) -> None:
    with scripted_http() as gateway:
        gateway.answers = [ME, answer({"data": [], "next": None})]
        ended = errand(tmp_path, "list", "--search", "needle", gateway=gateway)

    assert (ended.returncode, ended.stdout) == (0, "No task has these words: needle\n")


def test_pairing_keeps_the_token(tmp_path: Path) -> None:
    with scripted_http() as gateway:
        gateway.answers = [SESSION]
        ended = errand(tmp_path, "pair", gateway.url, "ABCD")

    assert (ended.returncode, ended.stdout) == (0, f"Signed in to {gateway.url}.\n")
    kept = json.loads((tmp_path / "config" / "sessions.json").read_text())
    assert kept["sessions"] == {gateway.url: STORED_SESSION}


def test_doctor_says_what_is_missing_and_what_to_do(tmp_path: Path) -> None:
    ended = errand(tmp_path, "doctor")

    assert ended.returncode == 1
    assert "✓ python" in ended.stdout
    assert "✗ gateway     none is known" in ended.stdout
    assert "`make run` starts one on this machine" in ended.stdout


def test_ctrl_c_ends_the_watching_and_says_that_the_task_goes_on(tmp_path: Path) -> None:
    with scripted_http() as gateway:
        gateway.answers = [ME] + [(503, b"{}")] * 50
        process = subprocess.Popen(
            command(tmp_path, "watch", TASK, gateway=gateway),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=environment(),
        )
        with process:
            deadline = time.monotonic() + 30
            while len(gateway.asked) < 2:  # signed in, and asking for the stream
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)

    assert process.returncode == 130
    assert f"The task keeps running. To follow it again: errand watch {TASK}" in errors
    assert "Traceback" not in errors


def test_an_empty_list_says_so(tmp_path: Path) -> None:
    with scripted_http() as gateway:
        gateway.answers = [ME, (200, b'{"data":[],"next":null}')]
        ended = errand(tmp_path, "list", gateway=gateway)

    assert ended.stdout == 'No tasks yet. Send one with: errand run "…"\n'


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["list", "--phase", "bogus"], "'queued', 'starting', 'working', 'waiting'"),
        (["list", "--limit", "1000"], "1<=x<=200"),
        (["run", "x", "--repository", ""], "The value is empty"),
        (["run", "x", "--repository", "  "], "The value is empty"),
        (["pair", "127.0.0.1:1", "CODE"], "no http:// or https://"),
        (["pair", "http://", "CODE"], "has no host name"),
        (["pair", "http://x:99999999", "CODE"], "is not a valid URL"),
        (["pair", "--new", "http://x"], "--new takes neither"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(
    tmp_path: Path, arguments: list[str], says: str
) -> None:
    ended = errand(tmp_path, *arguments)

    assert ended.returncode == 2
    assert says in " ".join(ended.stderr.split())


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("git@github.com:o/r.git", "https://github.com/o/r.git"),
        ("ssh://git@github.com/o/r.git", "https://github.com/o/r.git"),
        ("ssh://git@git.lan:2222/o/r", "https://git.lan/o/r"),
        ("github.com/o/r", "https://github.com/o/r"),
        ("gitlab.com/g/s/r", "https://gitlab.com/g/s/r"),
        ("o/r", "https://github.com/o/r"),
        ("http://127.0.0.1:1/o/r.git", "http://127.0.0.1:1/o/r.git"),
    ],
)
def test_a_repository_is_named_as_people_name_it(tmp_path: Path, written: str, sent: str) -> None:
    with scripted_http() as gateway:
        gateway.answers = [ME, answer(task_state(), 201)]
        ended = errand(tmp_path, "run", "x", "-r", written, "--detach", gateway=gateway)

    assert ended.returncode == 0, ended.stderr
    assert json.loads(gateway.asked[1][1])["repository"] == {"url": sent}


def test_a_code_for_another_device_is_shown_with_its_link(tmp_path: Path) -> None:
    ends = datetime.now(UTC) + timedelta(minutes=10)
    made = {"code": "ABCD-EFGH", "url": "http://h/pair#ABCD-EFGH", "expires_at": ends.isoformat()}
    with scripted_http() as gateway:
        gateway.answers = [ME, (200, json.dumps(made).encode())]
        ended = errand(tmp_path, "pair", "--new", gateway=gateway)

    assert ended.returncode == 0, ended.stderr
    assert "ABCD-EFGH  (can be used once, within 10 minutes)" in ended.stdout
    assert "http://h/pair#ABCD-EFGH" in ended.stdout
    assert "█" in ended.stdout


def test_a_link_to_pair_with_is_enough(tmp_path: Path) -> None:
    with scripted_http() as gateway:
        gateway.answers = [SESSION]
        ended = errand(tmp_path, "pair", f"{gateway.url}/pair#ABCD")

    assert ended.stdout == f"Signed in to {gateway.url}.\n"


def test_help_is_in_sections_with_work_first_and_nothing_cut(tmp_path: Path) -> None:
    said = errand(tmp_path, "--help").stdout

    places = [said.index(f"\n{h}:") for h in ("Work", "Results", "This device", "For operators")]
    assert places == sorted(places)
    assert said.index("  run ") < said.index("  approve ") < said.index("  projector ")
    assert "..." not in said.partition("Work:")[2]
    assert "For operators." not in said


def test_a_patch_is_printed_byte_for_byte(tmp_path: Path) -> None:
    patch = (
        b"diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-\xff " + b"x" * 300 + b"\n+b\t\r\n"
    )
    with scripted_http() as gateway:
        gateway.answers = [
            ME,
            answer(task_state(phase="finished")),
            answer({"data": [artifact()]}),
            (200, patch),
        ]
        ended = subprocess.run(
            command(tmp_path, "diff", TASK, gateway=gateway),
            capture_output=True,
            timeout=60,
            cwd=tmp_path,
            env=environment(),
            check=True,
        )

    assert ended.stdout == patch


def test_a_task_without_a_diff_says_so(tmp_path: Path) -> None:
    with scripted_http() as gateway:
        gateway.answers = [ME, answer(task_state(phase="working")), answer({"data": []})]
        ended = errand(tmp_path, "diff", TASK, gateway=gateway)

    assert ended.returncode == 1
    assert "has no diff yet; it is working" in ended.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_is_not_utf_8_gets_no_traceback(tmp_path: Path, encoding: str) -> None:
    task = task_state(phase="finished", title="Größe → 文")
    with scripted_http() as gateway:
        gateway.answers = [ME, answer({"data": [task], "next": None})]
        ended = subprocess.run(
            command(tmp_path, "list", gateway=gateway),
            capture_output=True,
            timeout=60,
            cwd=tmp_path,
            env={**environment(), "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
            check=False,
        )

    assert (ended.returncode, ended.stderr) == (0, b"")
    assert rb"-> \u6587" in ended.stdout


def test_a_reader_that_has_enough_gets_no_traceback(tmp_path: Path) -> None:
    tasks = [task_state(phase="finished", title="x" * 5000)] * 200
    with scripted_http() as gateway:
        gateway.answers = [ME, answer({"data": tasks, "next": None})]
        process = subprocess.Popen(
            command(tmp_path, "list", gateway=gateway),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env=environment(),
        )
        with process:
            assert process.stdout is not None
            process.stdout.read(10)
            process.stdout.close()
            assert process.stderr is not None
            errors = process.stderr.read()

    assert errors == b""
    assert process.returncode in (1, 141)
