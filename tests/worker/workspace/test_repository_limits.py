"""A malformed repository is refused in words, and what git writes is read up to a limit."""

import tracemalloc
from pathlib import Path

import pytest

from services.worker.ports import WorkspaceRefused
from services.worker.workspace.git_command import Git
from tests.kit.servers.forge import git_ok


def forge_repository(forge, name: str) -> Path:
    [found] = (forge.directory / "repositories").rglob(f"{name}.git")
    return found


def hash_tree(repository: Path, *entries: tuple[str, str, str]) -> str:
    """Write a tree object as it is, sound or not."""
    raw = b"".join(
        f"{mode} {name}".encode() + b"\0" + bytes.fromhex(blob) for mode, name, blob in entries
    )
    file = repository / "raw-tree"
    file.write_bytes(raw)
    made = git_ok(*("hash-object", "-t", "tree", "--literally", "-w", str(file)), inside=repository)
    file.unlink()
    return made


@pytest.mark.parametrize(
    "names",
    [
        [(".git",)],
        [("..",)],
        [("a/b",)],
        [("a",), ("a",)],
        [(".gitmodules",)],
        [("n" * 300,)],
        [("b",), ("a",)],
    ],
    ids=["dot-git", "dot-dot", "slash", "twice", "modules", "too-long", "unsorted"],
)
async def test_a_malformed_repository_is_refused_in_words(forge, source, place, names):
    repository = forge_repository(forge, "home")
    (repository / "content").write_text('[submodule "../../x"]\n\tpath = -u\n\turl = -u./h\n')
    blob = git_ok("hash-object", "-w", str(repository / "content"), inside=repository)
    tree = hash_tree(repository, *(("100644", name, blob) for (name,) in names))
    commit = git_ok("commit-tree", tree, "-m", "odd", inside=repository)
    (repository / "refs/heads/main").write_text(f"{commit}\n")
    with pytest.raises(WorkspaceRefused) as refused:
        await place.workspace.prepare(base="")
    assert refused.value.reason == "repository_refused", refused.value.detail
    assert "malformed" in refused.value.detail
    assert refused.value.remedy


async def test_a_large_difference_is_read_no_further_than_it_is_shown(source, place):
    await place.workspace.prepare(base="")
    await place.bash("for n in 1 2 3 4 5 6; do yes some text | head -c 14000000 > $n.txt; done")
    await place.taken()
    tracemalloc.start()
    diff = await place.workspace.diff()
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert diff.endswith("… the rest of the diff is left out …\n")
    assert peak_bytes < 40_000_000


async def test_git_that_writes_without_end_is_ended(source, place):
    await place.workspace.prepare(base="")
    git_of = Git(
        next(place.scratch.glob("repository-*")) / "bare.git",
        url="http://x.invalid/",
        token="t",
        limit_bytes=1,
    )
    ended = await git_of.run("-c", "alias.flood=!yes", "flood", output_limit_bytes=100_000)
    assert (ended.code, len(ended.stdout), ended.is_cut) == (125, 100_000, True)
