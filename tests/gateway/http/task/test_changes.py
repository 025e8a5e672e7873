"""Changes of a task's work over HTTP, as of any version."""

import pytest

from events import CallId, LeftOut, SnapshotTaken, ToolCompleted, WorkspacePrepared
from events.protocol.stored_changes import FileChange, StoredChanges, encode_changes
from services.gateway.tasks.file_category import file_category
from tests.gateway.kit.histories import blob, put
from tests.gateway.kit.problems import is_problem

PATCH = "diff --git a/x.py b/x.py\n--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-old\n+new\n"
FIRST = FileChange(path="x.py", change="modified", insertions=1, deletions=1, patch=PATCH)
FORGE = FileChange(path=".github/workflows/a.yml", change="added", insertions=3, is_truncated=True)


async def snapshot(world, servers, ada, task, *files, left_out=(), **changes):
    content = encode_changes(StoredChanges(files=files, files_left_out=changes.pop("more", 0)))
    stored = await blob(servers, task, f"changes/{len(files)}.gz", content, **changes)
    taken = SnapshotTaken(
        tree="t", pack=stored, files=1, insertions=1, deletions=1, left_out=left_out, changes=stored
    )
    return await world.append(ada.history(task), taken)


def ended(call):
    return ToolCompleted(call=CallId(call), output="done")


@pytest.fixture
async def task(ada, world):
    made = await ada.submit()
    prepared = WorkspacePrepared(commit="c0ffee", base="main", branch="errand/x", seconds=1)
    await world.append(ada.history(made), prepared)
    return made


async def test_before_the_first_snapshot_nothing_has_changed(ada, task):
    told = (await ada.http.get(f"/v1/tasks/{task}/changes")).json()
    assert (told["version"], told["data"], told["files"]) == (0, [], 0)
    assert (told["taken_at"], told["base"], told["calls_since"]) == (None, "c0ffee", 0)


async def test_the_files_and_their_patches_are_those_of_the_newest_snapshot(
    ada, world, servers, task
):
    await world.append(ada.history(task), ended("a"))
    left = (LeftOut("secret.env", "ignored"),)
    version = await snapshot(world, servers, ada, task, FORGE, FIRST, left_out=left, more=7)
    await world.append(ada.history(task), ended("b"), ended("c"))
    told = (await ada.http.get(f"/v1/tasks/{task}/changes")).json()
    assert (told["version"], told["calls_since"], told["tree"]) == (version, 2, "t")
    assert (told["files"], told["insertions"], told["deletions"]) == (9, 4, 1)
    assert told["left_out"] == [{"path": "secret.env", "reason": "ignored"}]
    forge, first = told["data"]
    assert (forge["is_guarded"], forge["is_truncated"], forge["patch_bytes"]) == (True, True, 0)
    assert (first["is_guarded"], first["change"], first["patch_bytes"]) == (
        False,
        "modified",
        len(PATCH),
    )
    found = await ada.http.get(f"/v1/tasks/{task}/changes/patch", params={"path": "x.py"})
    assert found.json() == {"version": version, "file": first, "patch": PATCH}
    missing = await ada.http.get(f"/v1/tasks/{task}/changes/patch", params={"path": "y.py"})
    is_problem(missing, 404, "not_found")


async def test_the_past_shows_the_snapshot_of_its_time(ada, world, servers, task):
    first = await snapshot(world, servers, ada, task, FIRST)
    await world.append(ada.history(task), ended("a"))
    second = await snapshot(world, servers, ada, task, FORGE, FIRST)
    path = f"/v1/tasks/{task}/changes"
    at = [(first - 1, 0, 0), (first, first, 0), (second - 1, first, 1), (second, second, 0)]
    for version, shown, since in at:
        told = (await ada.http.get(path, params={"at": version})).json()
        assert (told["version"], told["calls_since"]) == (shown, since), version
    patch = await ada.http.get(f"{path}/patch", params={"path": FORGE.path, "at": first})
    is_problem(patch, 404, "not_found")
    is_problem(await ada.http.get(path, params={"at": second + 1}), 422, "at_too_late")
    assert (await ada.http.get(path, params={"at": 0})).status_code == 422


async def test_an_unchanged_list_is_not_sent_again(ada, world, servers, task):
    await snapshot(world, servers, ada, task, FIRST)
    answer = await ada.http.get(f"/v1/tasks/{task}/changes")
    again = await ada.http.get(
        f"/v1/tasks/{task}/changes", headers={"If-None-Match": answer.headers["etag"]}
    )
    assert again.status_code == 304


async def test_a_snapshot_of_an_older_worker_says_that_it_has_no_list(ada, world, servers, task):
    stored = await blob(servers, task, "snapshots/1.pack", b"PACK")
    older = SnapshotTaken(tree="t", pack=stored, files=1, insertions=1, deletions=1)
    await world.append(ada.history(task), older)
    is_problem(await ada.http.get(f"/v1/tasks/{task}/changes"), 404, "changes_not_stored")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"key": "tasks/task_aaaaaaaaaaaaaaaaaaaaaaaaaa/changes/1.gz"}, "changes_unreadable"),
        ({"sha256": "0" * 64}, "artifact_changed"),
        ({"size_bytes": 1}, "artifact_changed"),
        ({"size_bytes": 10**12}, "changes_unreadable"),
    ],
)
async def test_another_object_than_the_one_named_is_not_shown(
    ada, world, servers, task, changes, code
):
    await snapshot(world, servers, ada, task, FIRST, **changes)
    is_problem(await ada.http.get(f"/v1/tasks/{task}/changes"), 409, code)


@pytest.mark.parametrize("content", [b"", b"{}", b"\x1f\x8b", encode_changes(StoredChanges())[:-1]])
async def test_what_is_no_list_of_changes_is_refused(ada, world, servers, task, content):
    stored = await blob(servers, task, "changes/odd.gz", content)
    odd = SnapshotTaken(tree="t", pack=stored, files=0, insertions=0, deletions=0, changes=stored)
    await world.append(ada.history(task), odd)
    await put(servers, stored.key, content)
    is_problem(await ada.http.get(f"/v1/tasks/{task}/changes"), 409, "changes_unreadable")


@pytest.mark.parametrize(
    ("path", "category"),
    [
        ("web/package-lock.json", "lock"),
        ("Cargo.lock", "lock"),
        ("uv.lock", "lock"),
        ("dist/app.js", "generated"),
        ("api/v1/a.pb.go", "generated"),
        ("lib/jquery.min.js", "generated"),
        ("tests/test_a.py", "test"),
        ("src/button.test.tsx", "test"),
        ("src/contest.py", ""),
        ("src/clock.py", ""),
        ("latest.go", ""),
        ("README.md", ""),
    ],
)
def test_a_file_is_known_by_its_path(path, category):
    assert file_category(path) == category
