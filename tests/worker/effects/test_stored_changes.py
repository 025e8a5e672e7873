"""The changes that a worker stores with a snapshot, for people to look at while it works."""

import zlib
from gzip import compress

import pytest

from events import MachineId
from events.protocol.stored_changes import (
    MAX_FILES,
    FileChange,
    StoredChanges,
    decode_changes,
    encode_changes,
)
from services.worker.agent.state import AgentState, Attempt
from services.worker.agent.steps import TakeSnapshot
from services.worker.agent.text.redaction import Redactor
from services.worker.effects.perform import perform
from services.worker.ports import Snapshot
from tests.kit.fakes.worker_world import Bench

SECRET = "a-token-of-this-task-0123"


class ChangedWorkspace:
    async def snapshot(self) -> Snapshot:
        patch = f"diff --git a/x b/x\n+{SECRET}\n"
        file = FileChange(path="x", change="added", insertions=1, patch=patch)
        changes = StoredChanges(files=(file,), files_left_out=2)
        return Snapshot(tree="t", pack=b"PACK", files=3, insertions=1, deletions=0, changes=changes)


async def test_secrets_are_taken_out_of_the_patches_and_nothing_else_is_changed():
    bench = Bench()
    context = bench.context()._replace(
        workspace=ChangedWorkspace(), redactor=Redactor({"TASK_TOKEN": SECRET})
    )
    state = AgentState(attempt=Attempt(number=1, machine=MachineId("m1"), sandbox="fake"))
    [taken] = await perform(context, TakeSnapshot(), state, [])
    assert taken.changes.key.startswith("tasks/task_1/changes/")
    told = decode_changes(bench.blobs.stored[taken.changes.key])
    assert told.files_left_out == 2
    [file] = told.files
    assert file.patch == "diff --git a/x b/x\n+[redacted:TASK_TOKEN]\n"
    assert (file.path, file.change, file.insertions) == ("x", "added", 1)


def test_the_same_changes_are_the_same_bytes():
    changes = StoredChanges(files=(FileChange(path="x", change="added"),))
    assert encode_changes(changes) == encode_changes(changes)
    assert decode_changes(encode_changes(changes)) == changes


def test_what_unpacks_to_more_than_a_worker_stores_is_not_unpacked():
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join(packer.compress(b" " * 2**20) for _ in range(64)) + packer.flush()
    with pytest.raises(ValueError, match="longer than"):
        decode_changes(bomb)


FILE = b'{"path":"","change":"added"}'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested"),
        (b'{"files":[' + b",".join([FILE] * (MAX_FILES + 1)) + b"]}", "more than"),
        (b'{"files":[{"path":"\xff","change":"added"}]}', "utf-8"),
        (b'{"files":[],"files_left_out":' + b"9" * 100_000 + b"}", "range"),
        (b"", "truncated"),
    ],
    ids=["deep", "many files", "no UTF-8", "a long number", "nothing"],
)
def test_what_no_worker_stores_is_refused_and_nothing_else_is_raised(text, reason):
    with pytest.raises(ValueError, match=reason):
        decode_changes(compress(text))
