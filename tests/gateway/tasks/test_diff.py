"""The files a diff changes, on diffs that git itself wrote."""

import subprocess

import pytest

from services.gateway.tasks.diff import ChangedFile, changed_files


@pytest.fixture
def repository(tmp_path):
    def git(*arguments):
        settings = (
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@t.test",
            "-c",
            "core.hooksPath=/dev/null",
        )
        run = subprocess.run(
            ["git", *settings, *arguments], cwd=tmp_path, check=True, capture_output=True
        )
        return run.stdout

    git("init", "-q")
    (tmp_path / "kept.txt").write_text("one\n-- two\nthree\n" * 20)
    (tmp_path / "gone.txt").write_text("a\nb\n")
    (tmp_path / "old name.txt").write_text("".join(f"{n}\n" for n in range(50)))
    (tmp_path / "run.sh").write_text("#!/bin/sh\n")
    (tmp_path / "image.bin").write_bytes(bytes(range(256)))
    git("add", "-A")
    git("commit", "-qm", "base")
    return tmp_path, git


def shown(repository):
    _, git = repository
    git("add", "-A")
    text = git("diff", "--cached", "-M", "-p").decode(errors="replace")
    return {file.path: file for file in changed_files(text)}


def test_each_kind_of_change_is_told_with_its_lines(repository):
    place, _ = repository
    (place / "kept.txt").write_text("one\n@@ new @@\nthree\n" * 20)
    (place / "gone.txt").unlink()
    (place / "old name.txt").rename(place / "neuer Näme.txt")
    (place / "run.sh").chmod(0o755)
    (place / "image.bin").write_bytes(bytes(range(255)))
    (place / "empty.txt").touch()
    (place / "diff --git a b").write_text("diff --git a/x b/x\n+++ b/y")
    files = shown(repository)
    assert {path: file.change for path, file in files.items()} == {
        "kept.txt": "modified",
        "gone.txt": "deleted",
        "neuer Näme.txt": "renamed",
        "run.sh": "modified",
        "image.bin": "modified",
        "empty.txt": "added",
        "diff --git a b": "added",
    }
    assert (files["kept.txt"].insertions, files["kept.txt"].deletions) == (20, 20)
    assert (files["gone.txt"].insertions, files["gone.txt"].deletions) == (0, 2)
    assert files["neuer Näme.txt"].previous_path == "old name.txt"
    assert files["image.bin"].is_binary
    assert files["diff --git a b"].insertions == 2


@pytest.mark.parametrize(
    "text", ["", "no diff", "diff --git ", "diff --git x", 'diff --git "\\777']
)
def test_what_is_no_diff_breaks_nothing(text):
    assert all(isinstance(file, ChangedFile) for file in changed_files(text))
