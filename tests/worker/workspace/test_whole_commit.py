"""The commit holds what the agent changed, all of it and nothing else; what it cannot is named."""

import os
from pathlib import Path

import pytest

from services.worker.workspace.limits import WorkspaceLimits
from tests.kit.repository.task_workspace import BRANCH, KIND, Place, publish, pushed_file, stored
from tests.kit.servers.forge import git, git_ok
from tests.kit.servers.sandboxes import running_sandbox


async def pushed(place, source) -> dict[str, str]:
    """Return the pushed commit's changes: git's status letter of each path."""
    base = git_ok("rev-parse", "HEAD", inside=source)
    commit = await place.push()
    git_ok("fetch", "-q", "origin", f"+{BRANCH}:refs/pushed", inside=source)
    listed = git_ok("diff-tree", "-r", "-z", "--name-status", base, commit, inside=source)
    words = listed.split("\0")
    return dict(zip(words[1::2], words[::2], strict=False))


async def left_out(place) -> dict[str, str]:
    taken = await place.workspace.snapshot()
    assert taken is not None
    return {each.path: each.reason for each in taken.left_out}


IGNORING = "lib/\n*.log\n__pycache__/\n.env\n"


@pytest.mark.parametrize(
    "path", ["lib/util.py", "run.log", "tests/fixtures/node_modules/left/index.js", "a/.venv/x"]
)
async def test_an_ignored_file_that_a_tool_wrote_is_work(source, place, path):
    (source / ".gitignore").write_text(IGNORING)
    publish(source)
    await place.workspace.prepare(base="")
    await place.sandbox.write(path, b"work\n")
    assert (await place.taken()).left_out == ()
    assert await pushed(place, source) == {path: "A"}


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("lib/util.py", "ignored"),
        (".env", "ignored"),
        ("tests/fixtures/node_modules/left/index.js", "build_output"),
    ],
)
async def test_an_ignored_file_that_a_command_wrote_is_named(source, place, path, reason):
    (source / ".gitignore").write_text(IGNORING)
    publish(source)
    await place.workspace.prepare(base="")
    await place.bash(f"mkdir -p $(dirname {path}); echo x > {path}; echo work > work.txt")
    [(named, why)] = (await left_out(place)).items()
    assert path.startswith(named)
    assert why == reason
    assert await pushed(place, source) == {"work.txt": "A"}


async def test_the_agent_sees_what_errand_takes_for_build_output(source, place):
    await place.workspace.prepare(base="")
    await place.bash("mkdir node_modules; echo x > node_modules/a.js")
    assert await place.bash("git status --porcelain") == "?? node_modules/\n"
    await place.bash("git add node_modules")
    assert await left_out(place) == {}
    assert await pushed(place, source) == {"node_modules/a.js": "A"}


@pytest.mark.parametrize(
    "command",
    [
        "git add -f lib/util.py",
        "git add -f -N lib/util.py",
        "git add -f lib && git commit -qm mine && git switch -qc mine",
        "git add -f lib; touch .git/index.lock",
    ],
)
async def test_what_the_agent_adds_by_force_is_work(source, place, command):
    (source / ".gitignore").write_text(IGNORING)
    publish(source)
    await place.workspace.prepare(base="")
    await place.bash(f"mkdir lib; echo x > lib/util.py; {command}")
    assert await left_out(place) == {}
    assert await pushed(place, source) == {"lib/util.py": "A"}


async def test_what_was_forced_in_stays_in_on_the_next_machine(source, place, blobs):
    (source / ".gitignore").write_text(IGNORING)
    publish(source)
    await place.workspace.prepare(base="")
    await place.sandbox.write("lib/util.py", b"one\n")
    restore = await stored(blobs, await place.taken())
    async with running_sandbox(KIND, task="task_second") as sandbox:
        second = Place(sandbox, blobs, place.url, place.scratch)
        await second.workspace.prepare(base="", restore=restore)
        assert await second.workspace.snapshot() is None
        await second.bash("echo two > lib/util.py; rm -rf ~/.errand")
        assert await pushed(second, source) == {"lib/util.py": "A"}
    assert pushed_file(source, "lib/util.py") == "two"


async def test_an_ignored_file_that_was_tracked_is_followed(source, place):
    (source / "lib").mkdir()
    (source / "lib/old.py").write_text("old\n")
    (source / "lib/gone.py").write_text("old\n")
    (source / ".gitignore").write_text(IGNORING)
    publish(source)
    await place.workspace.prepare(base="")
    await place.bash("echo new > lib/old.py; rm lib/gone.py; rm -rf ~/.errand")
    assert await pushed(place, source) == {"lib/old.py": "M", "lib/gone.py": "D"}


async def test_an_ignored_file_that_the_agent_untracked_is_taken_out(source, place):
    (source / ".env").write_text("secret\n")
    publish(source)
    await place.workspace.prepare(base="")
    await place.bash("echo .env > .gitignore; git rm -q --cached .env")
    assert await left_out(place) == {".env": "ignored"}
    assert await pushed(place, source) == {".env": "D", ".gitignore": "A"}


@pytest.mark.parametrize(
    "tampering",
    [
        "git rm -rq --cached .",
        "git reset -q --soft HEAD~1",
        "git add -A; git commit -qm mine; git reset -q HEAD~2; git stash list",
        "rm -rf .git; git init -q .; git add -A",
        "echo broken > .git/index",
        "git update-index --assume-unchanged old.txt; git update-index --skip-worktree old.txt",
        "git config core.autocrlf true; git config core.excludesFile old.txt; git gc -q",
        "echo '*' > .git/info/exclude; rm -rf .git/objects",
        "git branch -m else; git checkout -q --orphan none; rm -f .git/HEAD",
    ],
)
async def test_what_the_agent_does_to_its_git_changes_no_work(source, place, tampering):
    (source / "old.txt").write_text("old\n")
    publish(source)
    await place.workspace.prepare(base="")
    await place.bash(f"echo new > old.txt; mkdir d; echo work > d/work.txt; {tampering}")
    assert await pushed(place, source) == {"d/work.txt": "A", "old.txt": "M"}


async def test_a_file_over_the_limit_is_named(source, place):
    (source / "base.bin").write_bytes(os.urandom(150_000))
    (source / "moved.bin").write_bytes(os.urandom(150_000))
    (source / "grown.txt").write_text("small\n")
    publish(source)
    place.workspace = place.make(limits=WorkspaceLimits(file_bytes=100_000))
    await place.workspace.prepare(base="")
    await place.bash(
        "head -c 200000 /dev/urandom > new.bin; head -c 200000 /dev/urandom > grown.txt;"
        "touch base.bin; echo work > work.txt"
    )
    await place.sandbox.write("tool.bin", b"x" * 120_000)
    assert await left_out(place) == dict.fromkeys(["grown.txt", "new.bin", "tool.bin"], "too_large")
    assert await pushed(place, source) == {"work.txt": "A"}


def add_submodule(source: Path) -> str:
    commit = git_ok("rev-parse", "HEAD", inside=source)
    (source / ".gitmodules").write_text('[submodule "s"]\n\tpath = s\n\turl = http://x.invalid/x\n')
    git_ok("add", ".gitmodules", inside=source)
    git_ok("update-index", "--add", "--cacheinfo", f"160000,{commit},s", inside=source)
    git_ok("commit", "-qm", "a submodule", inside=source)
    git_ok("push", "-q", "origin", "HEAD:main", inside=source)
    return commit


async def test_a_file_in_the_folder_of_a_submodule_is_named(source, place):
    add_submodule(source)
    await place.workspace.prepare(base="")
    await place.sandbox.write("s/deep/inside.txt", b"x")
    await place.bash("echo work > work.txt")
    assert (await left_out(place))["s"] == "submodule"
    assert await pushed(place, source) == {"work.txt": "A"}


async def test_a_submodule_that_the_agent_made_files_of_is_files(source, place):
    add_submodule(source)
    await place.workspace.prepare(base="")
    await place.bash("git rm -q --cached s; git rm -q .gitmodules; mkdir -p s; echo x > s/a")
    assert await left_out(place) == {}
    assert await pushed(place, source) == {".gitmodules": "D", "s": "D", "s/a": "A"}


async def test_repositories_inside_are_taken_as_files_and_their_history_named(source, place):
    await place.workspace.prepare(base="")
    await place.bash(
        "git init -q with; echo 1 > with/a; git init -q bare; git init -q with/deeper;"
        "echo 2 > with/deeper/b; mkdir odd; echo 'gitdir: /nowhere' > odd/.git; echo 3 > odd/c"
    )
    named = await left_out(place)
    assert {path for path, reason in named.items() if reason == "history"} >= {
        "bare/.git",
        "odd/.git",
        "with/.git",
    }
    assert await pushed(place, source) == {"with/a": "A", "with/deeper/b": "A", "odd/c": "A"}


async def test_empty_folders_and_what_cannot_be_read_are_named(source, place):
    await place.workspace.prepare(base="")
    await place.bash("mkdir -p e/f; echo x > hidden; chmod 0 hidden; mkfifo pipe; echo w > work")
    named = await left_out(place)
    assert named.pop("e/", named.pop("e/f/", None)) == "empty_folder"
    assert named in ({}, {"hidden": "refused"})  # where the agent is root it may be read


async def test_caches_that_the_repository_ignores_are_not_worth_a_word(source, place):
    (source / ".gitignore").write_text(IGNORING)
    publish(source)
    await place.workspace.prepare(base="")
    await place.bash("mkdir -p a/__pycache__; touch a/__pycache__/m.cpython-311.pyc")
    assert await place.workspace.snapshot() is None


async def test_modes_links_case_and_names_are_work(source, place):
    for name in ("run.sh", "Case.txt", "gone", "file", "-rf", "li\nne"):
        (source / name).write_text(f"{name}\n")
    publish(source)
    await place.workspace.prepare(base="")
    await place.bash(
        "chmod +x run.sh; git mv Case.txt case.txt; rm gone; rm file; ln -s run.sh file;"
        r"""echo x >> ./-rf; printf x >> $'li\nne'; printf x > $'\xff'; printf x > '"q"\';"""
        "mkdir -p d; mv -- run.sh d/run.sh"
    )
    base = git_ok("rev-parse", "HEAD", inside=source)
    commit = await place.push()
    git_ok("fetch", "-q", "origin", f"+{BRANCH}:refs/pushed", inside=source)
    raw = git("diff-tree", "-r", "--name-status", "--no-renames", base, commit, inside=source)
    assert sorted(line.split("\t", 1)[1] for line in raw.output.splitlines()) == sorted(
        [
            *('"-rf"'.strip('"'), "Case.txt", "case.txt", "d/run.sh", "file", "gone", "run.sh"),
            *('"\\"q\\"\\\\"', '"\\377"', '"li\\nne"'),
        ]
    )
    assert git_ok("ls-tree", commit, "d/run.sh", inside=source).startswith("100755")
    assert git_ok("ls-tree", commit, "file", inside=source).startswith("120000")


ENDINGS = {
    ".gitattributes": (
        b"* text=auto\n*.txt text\n*.bat text eol=crlf\n*.id ident\n*.fl filter=missing\n"
        b"*.u16 text working-tree-encoding=UTF-16\nsub/** text eol=lf\n"
    ),
    "crlf.txt": b"one\r\ntwo\r\nthree\r\n",
    "auto.c": b"one\r\ntwo\r\n",
    "mixed.bat": b"one\r\ntwo\nthree\r\n",
    "plain.bat": b"one\ntwo\n",
    "a.id": b"$Id$ $Id: abc $\n",
    "a.fl": b"raw\r\n",
    "a.u16": b"no utf-16\n",
    'sub/[odd] *na"me\\ \n?.txt': b"one\r\n",
}


def publish_endings(source: Path) -> None:
    for name, content in ENDINGS.items():
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_bytes(content)
    git_ok("-c", "core.autocrlf=false", "add", ".gitattributes", inside=source)
    for name in ENDINGS:
        blob = git_ok("hash-object", "-w", "--no-filters", "--", name, inside=source)
        info = f"100644,{blob},{name}"
        git_ok("update-index", "--add", "--cacheinfo", info, inside=source)
    git_ok("commit", "-qm", "endings", inside=source)
    git_ok("push", "-q", "origin", "HEAD:main", inside=source)


@pytest.mark.parametrize(
    "idling", ["true", "find . -path ./.git -prune -o -type f -exec touch {} +", "git status"]
)
async def test_a_task_that_changes_nothing_has_nothing_to_push(source, place, idling):
    publish_endings(source)
    await place.workspace.prepare(base="")
    await place.bash(idling)
    assert await place.workspace.snapshot() is None
    assert await place.workspace.diff() == ""
    assert await place.bash("git status --porcelain; git diff --stat") == ""


async def test_only_the_changed_lines_of_a_file_with_carriage_returns_change(source, place):
    publish_endings(source)
    await place.workspace.prepare(base="")
    await place.bash(
        r"sed -i 's/two/2/' crlf.txt auto.c mixed.bat plain.bat; printf 'a\r\n' >> sub/*.txt"
    )
    taken = await place.taken()
    assert (taken.files, taken.insertions, taken.deletions) == (5, 5, 4)
    await place.push()
    git_ok("fetch", "-q", "origin", f"+{BRANCH}:refs/pushed", inside=source)
    # as bytes: what git shows as text has its line ends changed
    shown = git("cat-file", "-s", "refs/pushed:crlf.txt", inside=source).output.strip()
    assert int(shown) == len(b"one\r\n2\r\nthree\r\n")


@pytest.mark.parametrize(
    "attributes",
    [
        "* working-tree-encoding=UTF-16",
        "* working-tree-encoding=no-such-thing",
        "* text eol=crlf",
        "* -text binary",
        "[attr]x text eol=crlf\n* x",
        "* filter=lfs diff=lfs merge=lfs -text",
        '"broken',
    ],
)
async def test_attributes_of_the_agent_lose_no_work(source, place, attributes):
    (source / "old.txt").write_text("old\n")
    publish(source)
    await place.workspace.prepare(base="")
    await place.sandbox.write(".gitattributes", attributes.encode())
    await place.bash("echo work > work.txt; git status >/dev/null")
    assert await pushed(place, source) == {".gitattributes": "A", "work.txt": "A"}
