"""Trees that untrusted code wrote are removed, whatever they are like."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.runtime.tree_removal import remove_tree, temporary_directory
from tests.kit.paths import ROOT


def deep(directory: Path, levels: int) -> None:
    """Make directories one in the other, far below what a path can name."""
    here = os.open(directory, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    file = os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=here)
    os.close(file)
    os.close(here)


@pytest.mark.parametrize("levels", [0, 1, 3_000, 6_000])
def test_a_tree_of_any_depth_is_removed(tmp_path, levels):
    tree = tmp_path / "tree"
    tree.mkdir()
    deep(tree, levels)
    assert remove_tree(tree)
    assert not tree.exists()


def test_a_wide_and_deep_tree_with_odd_names_is_removed(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in ("a\nb", " ", "-rf", "*", "\udcff\udcfe", "é" * 100, "x" * 255, ".hidden"):
        (tree / name).mkdir()
        deep(tree / name, 30)
        (tree / name / "a\nfile").write_text("x")
        (tree / name / "loop").symlink_to("..")
    os.mkfifo(tree / "pipe")
    assert remove_tree(tree)
    assert not tree.exists()


def test_links_are_removed_and_not_followed(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    tree = tmp_path / "tree"
    (tree / "in").mkdir(parents=True)
    (tree / "out").symlink_to(kept)
    (tree / "in" / "out").symlink_to(kept / "file")
    link = tmp_path / "link"
    link.symlink_to(kept)
    assert remove_tree(tree)
    assert remove_tree(link)
    assert (kept / "file").read_text() == "x"
    assert not link.is_symlink()


def test_what_is_not_there_is_removed_already(tmp_path):
    assert remove_tree(tmp_path / "nothing")


AS_ANOTHER_USER = """
import os, sys
from pathlib import Path
tree = Path(sys.argv[1])
if os.geteuid() == 0:
    os.chown(tree.parent, 12345, 12345)
    os.setgid(12345); os.setuid(12345)
(tree / "a" / "b" / "c").mkdir(parents=True)
(tree / "a" / "b" / "file").write_text("x")
(tree / "a" / "b" / "c").chmod(0)
(tree / "a" / "b").chmod(0o555)
(tree / "a").chmod(0)
tree.chmod(0)
from infra.runtime.tree_removal import remove_tree
print(remove_tree(tree), os.path.lexists(tree))
"""


def test_directories_nobody_may_read_or_write_are_removed_by_their_owner(tmp_path):
    """As an ordinary user: root may do all of it anyhow."""
    place = Path("/tmp") / f"errand-tree-{os.getpid()}"
    place.mkdir()
    try:
        ended = subprocess.run(
            [sys.executable, "-c", AS_ANOTHER_USER, str(place / "tree")],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )
        if "Permission denied: '/root" in ended.stderr or "No module named" in ended.stderr:
            pytest.skip("an ordinary user cannot read this installation")
        assert ended.stdout.split() == ["True", "False"], ended.stderr
    finally:
        assert remove_tree(place)


def test_files_that_are_immutable_are_removed_where_root_removes_them(tmp_path):
    tree = tmp_path / "tree"
    (tree / "in").mkdir(parents=True)
    (tree / "in" / "file").write_text("x")
    made = subprocess.run(
        ["chattr", "+i", tree / "in" / "file", tree / "in"], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("this file system, or this user, knows no immutable files")
    assert remove_tree(tree)


def test_what_resists_is_said_and_does_not_raise(tmp_path, capsys):
    """A directory of the kernel's, which not even root may remove."""
    assert not remove_tree(Path("/proc/self/fdinfo"))


def test_a_temporary_directory_goes_whatever_was_made_in_it():
    with temporary_directory("errand-test-") as directory:
        deep(directory, 3_000)
    assert not directory.exists()
