"""The changes of the work, parsed from git's own output: each file, and its patch."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from events.protocol.stored_changes import (
    MAX_FILES,
    MAX_PATCH_BYTES,
    MAX_PATCHES_BYTES,
    Change,
    FileChange,
    StoredChanges,
)

_RENAMES: Final = ("-r", "-M", "-l400")
LIST_OPTIONS: Final = (*_RENAMES, "-z", "--raw", "--numstat", "--no-abbrev")
"""Options of `git diff-tree` whose output `parse_changes` reads as `listed`."""
PATCH_OPTIONS: Final = (*_RENAMES, "-p", "-U3")
"""Options of `git diff-tree` whose output it reads as `diff`: the same files in the same order."""
PATCHES_READ_BYTES: Final = 8 * 1024 * 1024

_CHANGES: Final[Mapping[bytes, Change]] = {
    b"A": "added",
    b"D": "deleted",
    b"M": "modified",
    b"R": "renamed",
    b"T": "type_changed",
}
_NO_MODE: Final = b"000000"
_SECTION: Final = re.compile(rb"^diff --git ", re.MULTILINE)  # lines of content begin otherwise


class _Entry(NamedTuple):
    """One file of git's list."""

    change: Change
    modes: tuple[str, str]
    names: Sequence[bytes]


class _Patch(NamedTuple):
    """One file's part of a diff."""

    content: bytes
    is_whole: bool


def parse_changes(listed: bytes, diff: bytes, *, is_cut: bool) -> StoredChanges:
    """Return the changes between two trees. `is_cut` when `diff` is only the first bytes of one."""
    words = listed.split(b"\0")
    entries = list(_entries(words))
    counts = _counts(words[sum(1 + len(each.names) for each in entries) :])
    patches = _patches(entries, diff, is_cut=is_cut)
    files: list[FileChange] = []
    room = MAX_PATCHES_BYTES
    for entry, patch in zip(entries[:MAX_FILES], patches, strict=False):
        kept = _cut(patch.content, min(MAX_PATCH_BYTES, room))
        room -= len(kept)
        is_whole = patch.is_whole and kept == patch.content
        files.append(_file(entry, counts, _Patch(kept, is_whole)))
    return StoredChanges(files=tuple(files), files_left_out=max(0, len(entries) - MAX_FILES))


def _entries(words: Sequence[bytes]) -> Iterator[_Entry]:
    """Yield the files of `--raw -z`: `:mode mode id id status`, then one name or two."""
    place = 0
    while place < len(words) and words[place].startswith(b":"):
        old, new, _, _, status = words[place][1:].split(b" ")
        size = 2 if status[:1] in (b"R", b"C") else 1
        names = words[place + 1 : place + 1 + size]
        if len(names) == size:
            yield _Entry(_CHANGES.get(status[:1], "modified"), (_mode(old), _mode(new)), names)
        place += 1 + size


def _counts(words: Sequence[bytes]) -> dict[bytes, tuple[bytes, bytes]]:
    """Return the counts of `--numstat -z` by new name: two numbers, then a name or two."""
    counts, rest = {}, iter(words)
    for word in rest:
        added, _, more = word.partition(b"\t")
        removed, has_name, name = more.partition(b"\t")
        if not has_name:
            continue
        if not name:
            next(rest, b"")
            name = next(rest, b"")
        counts[name] = (added, removed)
    return counts


def _patches(entries: Sequence[_Entry], diff: bytes, *, is_cut: bool) -> Iterator[_Patch]:
    """Yield each file's patch, an empty one where the diff does not come so far.

    A changed type (a file that became a link) has two sections. Where the sections are not those of
    the files no file gets any: a patch is never shown under another file's name.
    """
    starts = [found.start() for found in _SECTION.finditer(diff)]
    sections = [diff[a:b] for a, b in zip(starts, [*starts[1:], len(diff)], strict=False)]
    sizes = [2 if each.change == "type_changed" else 1 for each in entries]
    whole = len(sections) - is_cut
    if len(sections) > sum(sizes) or (whole < sum(sizes) and not is_cut):
        sections, whole = [], 0
    place = 0
    for size in sizes:
        patch = b"".join(sections[place : place + size])
        place += size
        yield _Patch(patch, is_whole=place <= whole)


def _cut(patch: bytes, limit_bytes: int) -> bytes:
    """Return the whole lines of a patch that fit."""
    if len(patch) <= limit_bytes:
        return patch
    return patch[: patch.rfind(b"\n", 0, limit_bytes) + 1]


def _file(entry: _Entry, counts: Mapping[bytes, tuple[bytes, bytes]], patch: _Patch) -> FileChange:
    name = entry.names[-1]
    added, removed = counts.get(name, (b"0", b"0"))
    old, new = entry.modes
    return FileChange(
        path=_text(name),
        previous_path=_text(entry.names[0]) if entry.change == "renamed" else "",
        change=entry.change,
        insertions=int(added) if added.isdigit() else 0,
        deletions=int(removed) if removed.isdigit() else 0,
        is_binary=added == b"-",
        old_mode=old,
        new_mode=new,
        patch=patch.content.decode(errors="replace"),
        is_truncated=not patch.is_whole,
    )


def _mode(mode: bytes) -> str:
    return "" if mode == _NO_MODE else mode.decode()


def _text(name: bytes) -> str:
    return name.decode(errors="backslashreplace")
