"""A repository, and an agent, that mean harm."""

import os
from pathlib import Path

import pytest

from services.worker.ports import WorkspaceRefused
from services.worker.workspace.limits import WorkspaceLimits
from tests.kit.repository.task_workspace import publish, pushed_file, stored
from tests.kit.servers.forge import git_ok


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that only code run outside the sandbox could make."""
    return tmp_path / "outside"


async def work_of(place) -> list[str]:
    """The paths that the work changes, after a full round: snapshot, diff, push."""
    await place.taken()
    diff = await place.workspace.diff()
    await place.push()
    return [line.split(" b/", 1)[1] for line in diff.splitlines() if line.startswith("diff --git")]


HARM = """
printf '#!/bin/sh\\ntouch {mark}\\necho harmed >> /tmp/harmed\\n' > /tmp/harm; chmod +x /tmp/harm
mkdir -p .git/hooks
for hook in pre-commit post-checkout post-index-change reference-transaction pre-push; do
  cp /tmp/harm .git/hooks/$hook
done
git config core.hooksPath .git/hooks
git config core.fsmonitor /tmp/harm
git config filter.harm.clean /tmp/harm
git config filter.harm.smudge /tmp/harm
git config filter.harm.process /tmp/harm
git config diff.harm.textconv /tmp/harm
git config diff.harm.command /tmp/harm
git config core.sshCommand /tmp/harm
git config credential.helper /tmp/harm
git config --global core.fsmonitor /tmp/harm
git config --global core.hooksPath /tmp
git config --global url.http://127.0.0.1:1/.insteadOf http://
printf '* filter=harm diff=harm merge=harm\\n' > .gitattributes
echo work > work.txt
"""


async def test_hooks_filters_and_monitors_of_the_agent_never_run(source, place, mark):
    await place.workspace.prepare(base="")
    await place.bash(HARM.format(mark=mark))
    assert await work_of(place) == [".gitattributes", "work.txt"]
    assert not mark.exists()
    assert await place.bash("cat /tmp/harmed 2>/dev/null; true") == ""
    assert pushed_file(source, "work.txt") == "work"


async def test_the_agent_may_delete_its_git_directory(source, place):
    await place.workspace.prepare(base="")
    await place.bash("rm -rf .git; echo work > work.txt")
    assert await work_of(place) == ["work.txt"]


@pytest.mark.parametrize(
    "blow",
    [
        "rm -rf ~/.errand",
        "rm -rf ~/.errand/tree.git/objects",
        "echo broken > ~/.errand/tree.git/index",
        "rm -rf ~/.errand/tree.git/refs ~/.errand/tree.git/packed-refs",
        "touch ~/.errand/tree.git/index.lock",
    ],
)
async def test_what_the_agent_breaks_inside_is_made_again(source, place, blow):
    (source / "old.txt").write_text("old\n")
    publish(source)
    await place.workspace.prepare(base="")
    await place.bash(f"echo work > work.txt; rm old.txt; {blow}")
    assert await work_of(place) == ["old.txt", "work.txt"]
    await place.bash("git log -1 --format=%s")


async def test_a_tree_id_that_is_a_lie_is_refused(source, place):
    await place.workspace.prepare(base="")
    await place.bash("echo work > work.txt")
    honest = place.sandbox.transfer

    async def lying(command, **options):
        answer = await honest(command, **options)
        if b"write-tree" in command[4].encode():
            return type(answer)(
                exit_code=0, stdout=b"f" * 40, stderr="", is_truncated=False, note=""
            )
        if "pack-objects" in command[4]:
            empty = b"PACK\0\0\0\2\0\0\0\0" + bytes.fromhex(
                "029d08823bd8a8eab510ad6ac75c823cfd3ed31e"
            )
            return type(answer)(exit_code=0, stdout=empty, stderr="", is_truncated=False, note="")
        return answer

    place.sandbox.transfer = lying
    with pytest.raises(WorkspaceRefused, match="malformed"):
        await place.workspace.snapshot()


async def test_links_out_of_the_tree_are_links_and_nothing_more(source, place, blobs):
    (source / "passwd").symlink_to("/etc/passwd")
    (source / "up").symlink_to("../../..")
    publish(source)
    await place.workspace.prepare(base="")
    await place.bash("ln -s /etc/shadow shadow; ln -s ../.. out; ln -s . self")
    assert await work_of(place) == ["out", "self", "shadow"]
    assert git_ok("ls-remote", "origin", inside=source)
    assert pushed_file(source, "shadow") == "/etc/shadow"
    assert pushed_file(source, "passwd") == "/etc/passwd"


async def test_submodules_stay_as_they_are_and_are_never_fetched(source, place):
    commit = git_ok("rev-parse", "HEAD", inside=source)
    (source / ".gitmodules").write_text(
        '[submodule "s"]\n\tpath = s\n\turl = http://127.0.0.1:1/x\n'
    )
    (source / "s").mkdir()
    git_ok("add", ".gitmodules", inside=source)
    git_ok("update-index", "--add", "--cacheinfo", f"160000,{commit},s", inside=source)
    git_ok("commit", "-qm", "a submodule", inside=source)
    git_ok("push", "-q", "origin", "HEAD:main", inside=source)
    await place.workspace.prepare(base="")
    await place.bash("echo work > work.txt")
    assert await work_of(place) == ["work.txt"]
    assert git_ok("rev-parse", "HEAD:s", inside=source) == commit


async def test_a_malformed_gitmodules_is_refused_before_it_leaves(source, place):
    await place.workspace.prepare(base="")
    await place.bash(
        "printf '[submodule \"../../x\"]\\n\\tpath = -u\\n\\turl = -u./harm\\n' > .gitmodules"
    )
    for _ in range(2):  # it is no less malformed for having been seen before
        with pytest.raises(WorkspaceRefused) as refused:
            await place.workspace.snapshot()
        assert "gitmodules" in refused.value.detail


async def test_repositories_inside_the_workspace_are_taken_as_files(source, place, blobs):
    await place.workspace.prepare(base="")
    await place.bash(
        """
        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a
        git init -q with; echo 1 > with/a; echo 2 > with/b; git -C with add -A
        git -C with commit -qm x
        git init -q without; mkdir without/deep; echo 3 > without/deep/c
        git init -q bare
        mkdir -p odd/.git; echo nonsense > odd/.git/config; echo 4 > odd/d
        echo work > work.txt
        """
    )
    assert await work_of(place) == ["odd/d", "with/a", "with/b", "without/deep/c", "work.txt"]


async def test_a_huge_file_is_left_out_and_the_rest_is_taken(source, place):
    place.workspace = place.make(limits=WorkspaceLimits(file_bytes=100_000))
    await place.workspace.prepare(base="")
    await place.bash("head -c 200000 /dev/zero > 'hu[g]e'; echo a > 'hug e'; echo work > work.txt")
    assert await work_of(place) == ["hug e", "work.txt"]


async def test_caches_are_not_work(source, place):
    await place.workspace.prepare(base="")
    await place.bash(
        "mkdir -p a/__pycache__ node_modules/x; touch a/__pycache__/m.pyc node_modules/x/y"
    )
    assert await place.bash("git status --porcelain") == "?? a/\n?? node_modules/\n"
    await place.bash("echo work > work.txt")
    assert await work_of(place) == ["work.txt"]


async def test_line_ends_follow_the_attributes_of_the_repository(source, place):
    (source / ".gitattributes").write_text("*.bat text eol=crlf\n*.txt text\n*.raw -text\n")
    (source / "run.bat").write_bytes(b"one\n")
    (source / "as.raw").write_bytes(b"one\r\ntwo\n")
    publish(source)
    await place.workspace.prepare(base="")
    assert await place.sandbox.read("run.bat") == b"one\r\n"
    assert await place.workspace.snapshot() is None
    await place.bash("printf 'one\\r\\ntwo\\r\\n' > run.bat; printf 'x\\r\\n' > new.txt")
    assert await place.workspace.diff()
    snapshot = await place.taken()
    assert (snapshot.insertions, snapshot.deletions) == (2, 0)


NAMES = [
    "$(id)",
    "`id`",
    "-rf",
    "ünï ☂",
    "a\nb",
    "\x1b[31m",
    "'quoted'",
    '"double"',
    "*",
    ":(top)",
    " ",
]


async def test_odd_names_survive_the_whole_road(source, place, blobs):
    for number, name in enumerate(NAMES):
        (source / f"{name}-base").write_text(f"{number}\n")
    publish(source)
    await place.workspace.prepare(base="")
    for number, name in enumerate(NAMES):
        await place.sandbox.write(f"/workspace/{name}", f"{number}\n".encode())
    await place.bash("rm -- *-base")
    snapshot = await place.taken()
    assert snapshot.files == 2 * len(NAMES)
    await stored(blobs, snapshot)
    await place.push()
    git_ok("fetch", "-q", "origin", "errand/task_a:refs/pushed", inside=source)
    listed = git_ok("ls-tree", "-z", "--name-only", "refs/pushed", inside=source).split("\0")
    assert sorted(name for name in listed if name) == sorted([*NAMES, "README.md"])


async def test_bytes_that_are_no_unicode_are_names_too(source, place):
    Path(os.fsdecode(os.fsencode(source) + b"/\xff\xfe")).write_text("bytes\n")
    publish(source)
    await place.workspace.prepare(base="")
    await place.bash("printf x > $'\\xfe\\xff'; mv $'\\xff\\xfe' named")
    snapshot = await place.taken()
    assert snapshot.files == 3
    assert await place.workspace.diff()


async def test_the_token_is_nowhere_in_the_sandbox_or_on_disk(source, place):
    await place.workspace.prepare(base="")
    await place.bash("echo work > work.txt")
    await place.push()
    token = b"ghp_a-token-for-tests-only"
    bare = next(place.scratch.glob("repository-*"))
    assert not [file for file in bare.rglob("*") if file.is_file() and token in file.read_bytes()]
    assert await place.bash(f"grep -rs {token.decode()} /workspace /home /tmp; true") == ""
