"""glob and grep on real files, in real sandboxes: no answer says "nothing" of what it left out."""

import pytest

from services.worker.agent.tool_calls import Call
from services.worker.ports import CommandResult
from services.worker.tools.search.patterns import PathPattern, expand_braces
from services.worker.tools.search.runner import search
from services.worker.tools.toolbox import run_call
from tests.kit.fakes.fake_sandbox import FakeSandbox
from tests.kit.servers.sandboxes import running_sandbox

REPOSITORY = r"""
git init -q . && git config user.email a@b.c && git config user.name A
mkdir -p src 'app/[slug]/(group)' node_modules/left build .github deep/er
echo 'needle one' > src/a.ts; echo 'needle two' > src/b.tsx; echo 'needle' > src/c.py
echo 'needle' > 'app/[slug]/(group)/page.tsx'; echo needle > app/[slug]/x.ts
echo needle > node_modules/left/index.js; echo needle > build/out.js; echo needle > .env
echo needle > .github/ci.yml; echo needle > deep/er/found.txt
for name in 'café ü.py' 'a "quoted" name.py' ' -dash' -lead.py $'two\nlines.py'; do
  echo needle > "./$name"
done
printf 'node_modules/\nbuild/\n*.secret\n' > .gitignore
echo gone > gone.py; git add -A; rm gone.py; ln -s src/c.py link.py; ln -s nowhere broken.py
"""


KINDS = ["bubblewrap", pytest.param("docker", marks=pytest.mark.docker), "none"]


@pytest.fixture(params=KINDS)
async def sandbox(request):
    async with running_sandbox(request.param) as made:
        yield made


@pytest.fixture
async def repository(sandbox):
    made = await sandbox.shell(REPOSITORY, timeout_seconds=30)
    assert made.exit_code == 0, made.output
    return sandbox


async def ask(sandbox, name, **arguments):
    return await run_call(sandbox, Call("c", name, arguments), lambda chunk: None)


async def told(sandbox, name, **arguments):
    return (await ask(sandbox, name, **arguments)).output.split("\n")


async def test_glob_finds_every_way_a_pattern_is_written(repository):
    for pattern, expected in {
        "src/*.{ts,tsx}": ["src/a.ts", "src/b.tsx"],
        "**/{a,c}.{ts,{py,js}}": ["src/a.ts", "src/c.py"],
        "/workspace/src/**/*.py": ["src/c.py"],
        "/workspace/src/a.ts": ["src/a.ts"],
        "./src/?.ts": ["src/a.ts"],
        "app/[slug]/**/*.tsx": ["app/[slug]/(group)/page.tsx"],
        "app/[slug]/(group)/page.tsx": ["app/[slug]/(group)/page.tsx"],
        r"app/\[slug\]/*.ts": ["app/[slug]/x.ts"],
        "**/[abc].ts": ["src/a.ts"],
        "**/[!a].ts": ["app/[slug]/x.ts"],
        ".github/*": [".github/ci.yml"],
        "-lead*": ["-lead.py"],
        "link.py": ["link.py"],
        "build/*.js": ["build/out.js"],
        "node_modules/left/index.js": ["node_modules/left/index.js"],
        "src/*": ["src/a.ts", "src/b.tsx", "src/c.py"],
    }.items():
        lines = await told(repository, "glob", pattern=pattern)
        assert [line for line in lines if not line.startswith("[not looked")] == expected, pattern
    inside = await told(repository, "glob", pattern="*.tsx", path="app/[slug]/(group)")
    assert inside == ["app/[slug]/(group)/page.tsx"]


async def test_glob_names_what_is_there_and_not_what_was_deleted(repository):
    lines = await told(repository, "glob", pattern="*.py")

    assert "gone.py" not in lines
    assert {"café ü.py", 'a "quoted" name.py', "-lead.py", "link.py", '"two\\nlines.py"'} < {*lines}
    assert any("build/" in line and "git ignores" in line for line in lines)
    assert any("double quotes" in line for line in lines)


async def test_names_that_are_found_can_be_read_and_edited_as_they_are(repository):
    lines = await told(repository, "grep", pattern="^needle$", glob="*")
    names = [line.partition(":1:")[0] for line in lines if ":1:" in line]

    assert {"café ü.py", " -dash", "-lead.py", '"two\\nlines.py"', 'a "quoted" name.py'} < {*names}
    for name in names:
        assert (await ask(repository, "read", path=name)).output == "1\tneedle", name
        edited = await ask(repository, "edit", path=name, old="needle", new="pin")
        assert not edited.is_error, edited.output


async def test_a_place_that_is_not_there_is_an_error(repository):
    for name, arguments in (
        ("glob", {"pattern": "*", "path": "nowhere"}),
        ("glob", {"pattern": "nowhere/*.py"}),
        ("glob", {"pattern": "/workspace/nowhere/**"}),
        ("grep", {"pattern": "x", "path": "src/nowhere"}),
        ("grep", {"pattern": "x", "path": "/nowhere/at/all"}),
    ):
        outcome = await ask(repository, name, **arguments)
        assert outcome.is_error, arguments
        assert "nowhere" in outcome.output
    broken = await ask(repository, "grep", pattern="x", path="broken.py")
    assert "symbolic link to nowhere" in broken.output


async def test_what_was_nearly_meant_is_said_with_nothing(repository):
    assert (
        "1 files in directories below match **/found.txt"
        in (await ask(repository, "glob", pattern="found.txt")).output
    )
    assert (
        "deep/er matches and is a directory"
        in (await ask(repository, "glob", pattern="*/er")).output
    )
    assert (await told(repository, "glob", pattern="deep"))[0] == "deep/er/found.txt"


async def test_grep_looks_where_it_is_told_to(repository):
    for arguments, expected in (
        ({"glob": "*.{ts,tsx}", "path": "src"}, ["src/a.ts", "src/b.tsx"]),
        ({"path": "app/[slug]", "glob": "*.tsx"}, ["app/[slug]/(group)/page.tsx"]),
        ({"path": "app/[slug]"}, ["app/[slug]/(group)/page.tsx", "app/[slug]/x.ts"]),
        ({"path": "node_modules"}, ["node_modules/left/index.js"]),
        ({"path": "build/out.js"}, ["build/out.js"]),
        ({"path": "/workspace/src", "glob": "src/*.py"}, ["src/c.py"]),
        ({"path": "src", "glob": "!*.ts"}, ["src/b.tsx", "src/c.py"]),
        ({"path": "link.py"}, ["link.py"]),
        ({"path": ".env"}, [".env"]),
    ):
        lines = await told(repository, "grep", pattern="needle", **arguments)
        assert [line.partition(":")[0] for line in lines if ":1:" in line] == expected, arguments


async def test_grep_says_what_it_left_out(repository):
    await repository.write("data.bin", b"needle\0\1\2")
    await repository.write("wide.txt", "needle wide".encode("utf-16"))
    await repository.shell("mkfifo pipe; chmod 000 src/c.py", timeout_seconds=5)

    whole = (await ask(repository, "grep", pattern="needle")).output
    nothing = (await ask(repository, "grep", pattern="zebra", glob="*.none")).output

    assert "wide.txt:1:needle wide" in whole
    assert "not searched, binary files: data.bin" in whole
    assert "git ignores it: build/, node_modules/" in whole
    assert "symbolic links: broken.py, link.py" in whole
    if repository.name != "none":
        assert "permission denied: src/c.py" in whole
    assert "no file matches the glob *.none, so nothing was searched" in nothing


async def test_outside_the_workspace_and_without_git_files_are_found_too(sandbox):
    await sandbox.shell(
        "mkdir -p /tmp/other/sub && echo needle > /tmp/other/sub/a.conf; echo needle > b.conf",
        timeout_seconds=5,
    )

    assert await told(sandbox, "glob", pattern="**/*.conf") == ["b.conf"]
    assert await told(sandbox, "glob", pattern="/tmp/other/**/*.conf") == ["/tmp/other/sub/a.conf"]
    assert await told(sandbox, "grep", pattern="needle", path="/tmp/other") == [
        "/tmp/other/sub/a.conf:1:needle"
    ]
    assert "/etc/passwd" in await told(sandbox, "glob", pattern="pass*", path="/etc")
    assert (await ask(sandbox, "grep", pattern="root", path="/etc/passwd")).output.startswith(
        "/etc/passwd:1:root"
    )


async def test_submodules_and_repositories_inside_are_looked_into(sandbox):
    script = """
    git init -q . && git config user.email a@b.c && git config user.name A
    for d in sub own; do
      git init -q $d; echo needle > $d/in.txt; git -C $d add -A
      git -C $d -c user.email=a@b.c -c user.name=A commit -qm x
    done
    git -c advice.addEmbeddedRepo=false add sub
    """
    made = await sandbox.shell(script, timeout_seconds=20)
    assert made.exit_code == 0, made.output

    assert await told(sandbox, "glob", pattern="**/in.txt") == ["own/in.txt", "sub/in.txt"]
    assert await told(sandbox, "grep", pattern="needle") == [
        "own/in.txt:1:needle",
        "sub/in.txt:1:needle",
    ]


async def test_a_line_is_what_ends_in_lf_for_read_and_grep_alike(sandbox):
    await sandbox.write("odd", "one\ftwo\u2028three\x85four\vfive\nlast".encode())
    await sandbox.write("crlf", b"the end\r\nthe end.\r\n")

    assert await told(sandbox, "grep", pattern="five", path="odd") == [
        "odd:1:one\ftwo\u2028three\x85four\vfive"
    ]
    assert (await ask(sandbox, "read", path="odd", start_line=2)).output.startswith("2\tlast")
    assert await told(sandbox, "grep", pattern="end$") == ["crlf:1:the end"]
    assert await told(sandbox, "grep", pattern=r"\r$", path="crlf") == [
        "crlf:1:the end",
        "crlf:2:the end.",
    ]


async def test_a_long_line_is_cut_around_its_match_and_says_so(sandbox):
    await sandbox.write("app.min.js", b"a" * 40_000 + b"NEEDLE" + b"b" * 10_000)

    [line] = await told(sandbox, "grep", pattern="NEEDLE")

    assert "NEEDLE" in line
    assert len(line) < 700
    assert "[… 39834 characters] " in line
    assert line.endswith("characters]")


async def test_a_pattern_that_cannot_be_is_taught(sandbox):
    await sandbox.write("a", b"a|b\nfoo\n")

    wrong = await ask(sandbox, "grep", pattern="f(oo")
    assert wrong.is_error
    assert "not a regular expression" in wrong.output
    assert "f\\\\(oo" in wrong.output
    assert (
        "alternatives are written a|b" in (await ask(sandbox, "grep", pattern=r"foo\|bar")).output
    )
    assert "one line at a time" in (await ask(sandbox, "grep", pattern=r"b\nfoo")).output
    assert await told(sandbox, "grep", pattern="^[[:alpha:]]+$") == ["a:2:foo"]


async def test_a_search_without_end_is_ended_and_said():
    sandbox = FakeSandbox()

    async def execute(command, **_):
        return CommandResult(exit_code=137, is_timed_out=True)

    sandbox.execute = execute
    outcome = await search(sandbox, {}, nothing="[no line matches]")

    assert outcome.is_error
    assert "longer than 60 s" in outcome.output


async def test_more_than_the_limit_is_sorted_cut_and_counted(sandbox):
    await sandbox.shell("for i in $(seq 1 600); do echo needle > f$i; done", timeout_seconds=20)

    files = await told(sandbox, "glob", pattern="f*")
    lines = await told(sandbox, "grep", pattern="needle")

    assert files[:3] == ["f1", "f10", "f100"]
    assert files[-1] == "[100 more; give a narrower pattern]"
    assert len(files) == 501
    assert lines[-1] == "[100 more lines; give a narrower pattern]"


def test_braces_stand_for_their_alternatives():
    assert sorted(expand_braces("{a,{b,c}d}.{x,y}")) == [
        "a.x", "a.y", "bd.x", "bd.y", "cd.x", "cd.y",
    ]  # fmt: skip
    assert expand_braces("{only}.${x}") == ["{only}.${x}"]
    assert expand_braces(r"\{a,b\}") == [r"\{a,b\}"]


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("**", "a/b/c", True),
        ("a/**", "a", False),
        ("a/**/b", "a/b", True),
        ("*", "a/b", False),
        ("[]x]", "]", True),
        ("[a-c]*", "cat", True),
        ("[^a-c]*", "cat", False),
        ("[slug]", "[slug]", True),
        ("[slug]", "s", True),
        ("{a,b", "{a,b", True),
        ("a^b", "a^b", True),
        ("[z-a]", "[z-a]", True),
    ],
)
def test_a_path_fits_a_pattern(pattern, path, fits):
    assert PathPattern(pattern).matches(path) is fits


@pytest.mark.parametrize(
    "output",
    [
        "",
        "1",
        "[]",
        "null",
        '{"lines": 3, "notes": []}',
        '{"lines": [], "notes": [null]}',
        '{"error": {"deep": 1}}',
        "[" * 100_000,
        '{"lines": [NaN]}',
    ],
    ids=str.__len__,
)
async def test_an_answer_of_another_shape_is_a_failed_search(output):
    sandbox = FakeSandbox()

    async def execute(command, **_):
        return CommandResult(exit_code=0, output=output.encode())

    sandbox.execute = execute
    outcome = await search(sandbox, {}, nothing="nothing")
    assert outcome.is_error
    assert "The search failed" in outcome.output
