"""Answers about the changes of a task's work against its base commit, as of a snapshot."""

from datetime import datetime
from typing import Literal

import msgspec

from events.fact import LeftOut
from events.protocol.stored_changes import Change

FileCategory = Literal["", "test", "lock", "generated"]
"""Kind of a file by its path: a test, a lock file, made by a program; empty for all others."""


class WorkChange(msgspec.Struct, frozen=True, kw_only=True):
    """One changed file; of binary files no lines are counted.

    `previous_path` is set when it was renamed. Modes are git's, empty where there is no such file.
    `is_guarded`: a forge runs or trusts it. `patch_bytes` is 0 when no patch is stored, and the
    patch `is_truncated` when it is not the whole one.
    """

    path: str
    previous_path: str
    change: Change
    insertions: int
    deletions: int
    is_binary: bool
    old_mode: str
    new_mode: str
    category: FileCategory
    is_guarded: bool
    patch_bytes: int
    is_truncated: bool


class WorkChanges(msgspec.Struct, frozen=True, kw_only=True):
    """The files that the work has changed, in the order of their paths.

    `version` is that of the snapshot shown, the newest at or before the version asked for; 0 while
    there is none, and so nothing has changed. `calls_since` counts the tool calls that ended after
    it: what they changed is not in it yet. `files_left_out` counts changed files beyond those in
    `data`; `left_out` is what the workspace has besides and the work does not.
    """

    version: int
    taken_at: datetime | None
    base: str
    tree: str
    calls_since: int
    files: int
    insertions: int
    deletions: int
    files_left_out: int
    left_out: tuple[LeftOut, ...]
    data: list[WorkChange]


class WorkPatch(msgspec.Struct, frozen=True, kw_only=True):
    """One file's patch: unified, three lines of context, secrets redacted. `version` as above."""

    version: int
    file: WorkChange
    patch: str
