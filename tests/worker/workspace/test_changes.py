"""The changes of the work, file by file, from real git in a real sandbox."""

import pytest

from events.protocol.stored_changes import MAX_FILES, MAX_PATCH_BYTES, MAX_PATCHES_BYTES
from services.worker.workspace.changes import parse_changes
from tests.kit.repository.task_workspace import publish

SAMPLE = "".join(f"line {n}\n" for n in range(40))


async def changed(place, script):
    await place.workspace.prepare(base="")
    await place.bash(script)
    return {each.path: each for each in (await place.taken()).changes.files}


async def test_each_kind_of_change_is_told_with_its_patch(source, place):
    for name in ("kept", "moved", "gone", "mode", "link"):
        (source / f"{name}.txt").write_text(name + "\n" + SAMPLE)
    publish(source)
    files = await changed(
        place,
        "sed -i s/^kept/KEPT/ kept.txt; mkdir d; mv moved.txt d/new.txt; sed -i 3d d/new.txt;"
        "rm gone.txt; chmod +x mode.txt; ln -sf kept.txt link.txt; printf '\\0' > bin;"
        "printf 'caf\\351\\n' > latin",
    )
    assert {path: each.change for path, each in files.items()} == {
        "bin": "added",
        "d/new.txt": "renamed",
        "gone.txt": "deleted",
        "kept.txt": "modified",
        "latin": "added",
        "link.txt": "type_changed",
        "mode.txt": "modified",
    }
    kept, moved, mode = files["kept.txt"], files["d/new.txt"], files["mode.txt"]
    assert (kept.insertions, kept.deletions) == (1, 1)
    assert kept.patch.startswith("diff --git a/kept.txt b/kept.txt\n")
    assert "-kept\n+KEPT\n line 0\n line 1\n line 2\n" in kept.patch
    assert "line 3" not in kept.patch
    assert (moved.previous_path, moved.insertions, moved.deletions) == ("moved.txt", 0, 1)
    assert (mode.old_mode, mode.new_mode, mode.insertions) == ("100644", "100755", 0)
    assert "new mode 100755" in mode.patch
    assert (files["link.txt"].old_mode, files["link.txt"].new_mode) == ("100644", "120000")
    assert files["link.txt"].patch.count("diff --git ") == 2
    assert files["bin"].is_binary
    assert "caf\N{REPLACEMENT CHARACTER}" in files["latin"].patch
    assert not any(each.is_truncated for each in files.values())
    assert (files["gone.txt"].new_mode, files["bin"].old_mode) == ("", "")


async def test_no_patch_is_shown_under_another_files_name_whatever_files_are_called(source, place):
    names = ["a b", "ä", "t\tb", "n\ndiff --git ax bx", 'q"', "-x", ":0"]
    files = await changed(
        place, "".join(f"printf '%s' $'{i}\\n' > $'./{escaped(n)}';" for i, n in enumerate(names))
    )
    assert set(files) == set(names)
    for number, name in enumerate(names):
        assert files[name].patch.endswith(f"+{number}\n"), name
        assert files[name].insertions == 1


def escaped(name):
    return "".join(f"\\x{byte:02x}" for byte in name.encode())


async def test_a_long_patch_is_cut_and_the_files_after_it_are_still_whole(source, place):
    files = await changed(place, "seq 200000 > a.lock; echo small > b.txt")
    lock, small = files["a.lock"], files["b.txt"]
    assert lock.is_truncated
    assert lock.insertions == 200_000
    assert 0.9 * MAX_PATCH_BYTES < len(lock.patch) <= MAX_PATCH_BYTES
    assert lock.patch.endswith("\n")
    assert not small.is_truncated
    assert small.patch.endswith("+small\n")


async def test_many_long_patches_are_bounded_together(source, place):
    files = await changed(place, "for n in $(seq 10 29); do seq 60000 > f$n; done")
    assert len(files) == 20
    assert sum(len(each.patch) for each in files.values()) <= MAX_PATCHES_BYTES
    assert files["f29"].is_truncated
    assert files["f29"].patch == ""
    assert files["f29"].insertions == 60_000


async def test_very_many_files_are_counted_beyond_those_listed(source, place):
    await place.workspace.prepare(base="")
    await place.bash(f"for n in $(seq {MAX_FILES + 7}); do echo > f$n; done")
    changes = (await place.taken()).changes
    assert len(changes.files) == MAX_FILES
    assert changes.files_left_out == 7


@pytest.mark.parametrize(
    ("diff", "is_cut", "patches"),
    [
        (b"diff --git a/x b/x\n1\ndiff --git a/y b/y\n2\n", False, [("1", False), ("2", False)]),
        (b"diff --git a/x b/x\n1\ndiff --git a/y b/y\n2", True, [("1", False), ("2", True)]),
        (b"diff --git a/x b/x\n1", True, [("1", True), ("", True)]),
        (b"diff --git a/x b/x\n1\n", False, [("", True), ("", True)]),
        (b"diff --git a b\ndiff --git c d\ndiff --git e f\n", True, [("", True), ("", True)]),
        (b"", False, [("", True), ("", True)]),
    ],
)
def test_a_diff_that_is_not_of_the_files_listed_gives_no_file_a_patch(diff, is_cut, patches):
    entry = b":000000 100644 0 1 A\0"
    listed = entry + b"x\0" + entry + b"y\0" + b"1\t0\tx\0" + b"1\t0\ty\0"
    made = parse_changes(listed, diff, is_cut=is_cut)
    told = [(each.patch.strip().rpartition("\n")[2], each.is_truncated) for each in made.files]
    assert told == patches
