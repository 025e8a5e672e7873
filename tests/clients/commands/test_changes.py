"""`errand changes` and `errand output`, as a person types them."""

import json
import subprocess
from pathlib import Path
from typing import Any

import msgspec

from events import CallId, Draft, EventId, History, ModelReplied, ToolCompleted, Usage
from events.codec import encode
from events.ids import AccountId, TaskId
from events.protocol.api.changes import WorkChanges, WorkPatch
from events.worker import Blob
from infra.runtime.clock import utc_now
from tests.clients.errand_process import ME, TASK, command, environment, errand
from tests.kit.build.api_answers import answer
from tests.kit.fakes.scripted_http import scripted_http

FILE = {
    "path": "src/a.py",
    "previous_path": "",
    "change": "modified",
    "insertions": 2,
    "deletions": 1,
    "is_binary": False,
    "old_mode": "100644",
    "new_mode": "100644",
    "category": "",
    "is_guarded": False,
    "patch_bytes": 9,
    "is_truncated": False,
}
PATCH = "diff --git a/src/a.py b/src/a.py\n@@ -1 +1 @@\n-a\n+b\x1b[2J\n"


def listed(**changes: Any) -> WorkChanges:
    known = {
        "version": 12,
        "taken_at": "2026-01-01T00:00:00Z",
        "base": "c",
        "tree": "t",
        "calls_since": 0,
        "files": 1,
        "insertions": 2,
        "deletions": 1,
        "files_left_out": 0,
        "left_out": [],
        "data": [FILE],
    }
    return msgspec.convert({**known, **changes}, WorkChanges)


def stored(fact: Any) -> tuple[int, bytes]:
    draft = Draft(id=EventId("evt_1"), at=utc_now(), by="worker:1", cause="c", event=fact)
    body = encode(History(AccountId("acc_1"), TaskId(TASK)), 7, draft)
    return 200, b'{"data":[%s],"next":null,"head":9}' % body


def test_changed_files_are_listed_with_their_age_and_gaps(tmp_path: Path) -> None:
    odd = {**FILE, "path": "b\u001b.lock", "category": "lock", "is_truncated": True}
    gaps = {"files": 9, "files_left_out": 7, "calls_since": 3}
    with scripted_http() as gateway:
        gateway.answers = [ME, answer(listed(data=[FILE, odd], **gaps))]
        ended = errand(tmp_path, "changes", TASK, "--at", "14", gateway=gateway)

    assert ended.returncode == 0
    assert ended.stdout.splitlines() == [
        "9 changed files, +2 -1, as of version 12",
        "  M src/a.py  +2 -1",
        "  M b\\x1b.lock  +2 -1, lock, patch not whole",
        "… and 7 files more",
        "3 tool calls ended since; their changes are not in this list.",
    ]
    assert gateway.asked[-1][0] == f"GET /v1/tasks/{TASK}/changes?at=14"


def test_changes_are_one_object_as_json(tmp_path: Path) -> None:
    with scripted_http() as gateway:
        gateway.answers = [ME, answer(listed())]
        ended = errand(tmp_path, "changes", TASK, "--json", gateway=gateway)

    assert json.loads(ended.stdout)["data"] == [FILE]


def test_a_patch_goes_to_a_pipe_as_it_is_and_says_when_it_is_not_whole(tmp_path: Path) -> None:
    cut = {"version": 12, "file": {**FILE, "is_truncated": True}, "patch": PATCH}
    with scripted_http() as gateway:
        gateway.answers = [ME, answer(msgspec.convert(cut, WorkPatch))]
        ended = errand(tmp_path, "changes", TASK, "src/a.py", gateway=gateway)

    assert ended.stdout == PATCH
    assert "the patch is not whole" in ended.stderr
    assert gateway.asked[-1][0] == f"GET /v1/tasks/{TASK}/changes/patch?path=src%2Fa.py"


def test_a_long_output_is_fetched_and_a_short_one_is_in_its_event(tmp_path: Path) -> None:
    whole = b"caf\xe9\r\n" * 9
    blob = Blob("k", len(whole), "0" * 64)
    long = ToolCompleted(call=CallId("c"), output="caf …", artifact=blob)
    with scripted_http() as gateway:
        gateway.answers = [ME, stored(long), (200, whole)]
        ended = subprocess.run(
            command(tmp_path, "output", TASK, "7", gateway=gateway),
            capture_output=True,
            timeout=60,
            env=environment(),
            check=True,
        )
        assert ended.stdout == whole
        assert gateway.asked[-1][0] == f"GET /v1/tasks/{TASK}/events/7/content"
        gateway.answers = [ME, stored(ToolCompleted(call=CallId("c"), output="short"))]
        assert errand(tmp_path, "output", TASK, "7", gateway=gateway).stdout == "short"


def test_the_text_of_a_long_reply_is_printed(tmp_path: Path) -> None:
    blocks = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "It is done."}]
    content = msgspec.json.encode(blocks)
    blob = Blob("k", len(content), "0" * 64)
    reply = ModelReplied(turn=1, stop_reason="end_turn", usage=Usage(), cost_microusd=1, blob=blob)
    with scripted_http() as gateway:
        gateway.answers = [ME, stored(reply), (200, content)]
        assert errand(tmp_path, "output", TASK, "7", gateway=gateway).stdout == "It is done."


def test_a_version_without_an_output_is_told(tmp_path: Path) -> None:
    with scripted_http() as gateway:
        gateway.answers = [ME, (200, b'{"data":[],"next":null,"head":9}')]
        ended = errand(tmp_path, "output", TASK, "70", gateway=gateway)

    assert ended.returncode == 1
    assert "no version 70 yet" in ended.stderr
