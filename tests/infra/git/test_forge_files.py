"""One definition of what a forge runs or trusts, for worker and broker."""

import pytest

from infra.git.forge_files import changed_forge_files, push_digest

ID = "0" * 40


def listed(*changes):
    entries = (f":{old} {new} {ID} {ID} M\0{path}\0" for old, new, path in changes)
    return "".join(entries).encode()


def test_changes_are_read_as_git_lists_them():
    out = listed(
        ("100644", "100644", "src/main.py"),
        ("000000", "100644", ".github/workflows/b.yml"),
        ("100644", "000000", "CODEOWNERS"),
        ("000000", "160000", "vendor/lib"),
        ("160000", "000000", "vendor/old"),
    )
    found = changed_forge_files(out)
    assert found == (".github/workflows/b.yml", "CODEOWNERS", "vendor/lib", "vendor/old")
    assert changed_forge_files(b"") == ()


def test_a_path_counts_however_long_it_is_and_is_cut_to_be_shown():
    [found] = changed_forge_files(listed(("000000", "100644", "d/" * 400 + "Jenkinsfile")))
    assert len(found) == 300


def test_a_name_that_is_no_text_counts():
    out = b":000000 100644 a b A\0.github/workflows/\xff.yml\0"
    assert changed_forge_files(out) == (".github/workflows/\\xff.yml",)


@pytest.mark.parametrize(
    ("paths", "tree"), [(("a", "c"), ID), (("a",), ID), (("a", "b"), "1" * 40)]
)
def test_a_digest_is_of_these_paths_and_this_tree(paths, tree):
    assert push_digest(("a", "b"), ID) != push_digest(paths, tree)
