"""read, edit and write on real files: no byte changes that was not meant to."""

import codecs

import pytest

from services.worker.agent.approvals.policy import ApprovalNeed
from services.worker.agent.tool_calls import Call
from services.worker.effects.approval_request import approval_request
from services.worker.ports import FILE_LIMIT_BYTES
from services.worker.tools.text.file_text import decode_file
from services.worker.tools.toolbox import run_call
from tests.kit.fakes.fake_sandbox import FakeSandbox
from tests.kit.fakes.worker_world import BEGAN
from tests.kit.servers.sandboxes import running_sandbox

KINDS = ["bubblewrap", pytest.param("docker", marks=pytest.mark.docker)]


@pytest.fixture(params=KINDS)
async def sandbox(request):
    async with running_sandbox(request.param) as made:
        yield made


def holding(content):
    sandbox = FakeSandbox()
    sandbox.files["f"] = content
    return sandbox


async def ask(sandbox, name, **arguments):
    return await run_call(sandbox, Call("c", name, arguments), lambda chunk: None)


@pytest.mark.parametrize(
    "content",
    [
        b"plain\n",
        b"",
        b"\r\n\r\n",
        b"a\rb\rc",
        b"mixed\r\nends\nhere\r",
        codecs.BOM_UTF8 + "é\n".encode(),
        "é\r\n".encode("utf-16"),
        codecs.BOM_UTF16_BE + "é\n".encode("utf-16-be"),
        "text without a mark\n".encode("utf-16-le"),
        "text without a mark\n".encode("utf-16-be"),
        "é".encode("utf-32"),
        "café".encode("latin-1"),
        "“quoted” €".encode("cp1252"),
        bytes(range(1, 256)),
        "日本語".encode("shift-jis"),
    ],
)
def test_text_is_its_file_again(content):
    file = decode_file(content)

    assert file is not None
    assert file.encode(file.text) == content


def test_a_file_cut_in_a_character_is_still_its_encoding():
    assert decode_file("aé".encode()[:2], is_cut=True).text == "a"
    assert decode_file(b"\0\1\2") is None


async def test_an_edit_of_lines_that_end_in_crlf_fits_and_keeps_them():
    sandbox = holding(b"one\r\ntwo\r\nthree\r\n")

    shown = (await ask(sandbox, "read", path="f")).output
    edited = await ask(sandbox, "edit", path="f", old="one\ntwo", new="1\n2\nand a half")
    single = await ask(sandbox, "edit", path="f", old="three", new="3\n4")

    assert shown.startswith("1\tone\n2\ttwo\n3\tthree\n[line endings CRLF")
    assert not edited.is_error
    assert not single.is_error
    assert sandbox.files["f"] == b"1\r\n2\r\nand a half\r\n3\r\n4\r\n"
    assert "-two\r\n" in edited.diff


async def test_an_edit_takes_the_endings_that_are_there_where_they_are_mixed():
    sandbox = holding(b"a\r\nb\nc\r\nd\n")

    await ask(sandbox, "edit", path="f", old="a\nb\nc", new="A\nB\nC")
    assert sandbox.files["f"] == b"A\r\nB\nC\r\nd\n"
    await ask(sandbox, "edit", path="f", old="d", new="d\ne")
    assert sandbox.files["f"] == b"A\r\nB\nC\r\nd\ne\n"
    assert "mixed line endings: 3 LF, 2 CRLF" in (await ask(sandbox, "read", path="f")).output


async def test_endings_named_in_an_edit_are_taken_as_they_are():
    sandbox = holding(b"a\r\nb\r\n")

    changed = await ask(sandbox, "edit", path="f", old="a\r\n", new="a\n")

    assert sandbox.files["f"] == b"a\nb\r\n"
    assert "-a\r\n+a\n" in changed.diff


async def test_a_line_break_matches_the_cr_of_an_old_file():
    sandbox = holding(b"a\rb\rc\r")

    await ask(sandbox, "edit", path="f", old="a\nb", new="x\ny")

    assert sandbox.files["f"] == b"x\ry\rc\r"


@pytest.mark.parametrize(
    ("before", "content", "after"),
    [
        (b"a\r\nb\r\n", "a\nB\n", b"a\r\nB\r\n"),
        (b"a\r\nb\r\n", "a\r\nB\n", b"a\r\nB\n"),
        (b"a\nb\n", "x\ny", b"x\ny"),
        (b"a\r\nb\nc\r\n", "a\nb\nc\nd\n", b"a\r\nb\nc\r\nd\r\n"),
        (codecs.BOM_UTF8 + b"a\n", "b\n", codecs.BOM_UTF8 + b"b\n"),
        (codecs.BOM_UTF8 + b"a\n", "\ufeffb\n", codecs.BOM_UTF8 + b"b\n"),
        ("café\n".encode("latin-1"), "thé\n", "thé\n".encode("latin-1")),
        ("é\r\n".encode("utf-16"), "ü\n", "ü\r\n".encode("utf-16")),
        (b"a\rb\r", "a\nc\n", b"a\rc\r"),
    ],
)
async def test_write_keeps_what_the_file_is_like(before, content, after):
    sandbox = holding(before)

    written = await ask(sandbox, "write", path="f", content=content)

    assert not written.is_error, written.output
    assert sandbox.files["f"] == after


async def test_what_a_files_encoding_cannot_hold_is_refused():
    sandbox = holding("café\n".encode("latin-1"))

    shown = (await ask(sandbox, "read", path="f")).output
    written = await ask(sandbox, "write", path="f", content="café €\n")
    edited = await ask(sandbox, "edit", path="f", old="caf", new="日")
    half = await ask(FakeSandbox(), "write", path="n", content="\ud800")

    assert shown == "1\tcafé\n[encoding: not UTF-8; shown as Latin-1]"
    for refusal in (written, edited):
        assert refusal.is_error
        assert "iconv -f latin-1 -t utf-8" in refusal.output
    assert "half of a character" in half.output
    assert sandbox.files["f"] == "café\n".encode("latin-1")


async def test_a_file_that_is_no_text_is_not_written_over():
    sandbox = holding(b"\x7fELF\0\1\2\xff")

    for name, arguments in (
        ("write", {"content": "x"}),
        ("edit", {"old": "ELF", "new": "x"}),
        ("read", {}),
    ):
        outcome = await ask(sandbox, name, path="f", **arguments)
        assert outcome.is_error
        assert "not a text file" in outcome.output
    assert sandbox.files["f"] == b"\x7fELF\0\1\2\xff"


async def test_a_nul_in_text_is_kept_by_an_edit():
    sandbox = holding(b"a\0b\nc\n")

    await ask(sandbox, "edit", path="f", old="c", new="d")

    assert sandbox.files["f"] == b"a\0b\nd\n"


async def test_a_missing_last_newline_is_shown_and_its_change_is_in_the_diff():
    sandbox = holding(b"a\nb")

    shown = (await ask(sandbox, "read", path="f")).output
    written = await ask(sandbox, "write", path="f", content="a\nb\n")

    assert shown.endswith("[no newline at the end of the file]")
    assert written.diff.endswith("-b\n\\ No newline at end of file\n+b\n")


async def test_odd_characters_do_not_end_a_line():
    line = "one\ftwo\u2028three\x85four\vfive\x1csix"
    sandbox = holding(f"{line}\nlast\n".encode())

    shown = (await ask(sandbox, "read", path="f")).output
    edited = await ask(sandbox, "edit", path="f", old=f"{line}\nla", new="x\nlo")

    assert shown.split("\n") == [f"1\t{line}", "2\tlast"]
    assert not edited.is_error
    assert edited.diff.count("\n-") == 2


async def test_an_edit_that_does_not_fit_says_what_is_near():
    lines = [f"def step_{n}(self):\n    return {n}\n" for n in range(40)]
    sandbox = holding("".join(lines).encode())

    spaced = await ask(sandbox, "edit", path="f", old="def step_7(self):\n  return 7", new="x")
    near = await ask(sandbox, "edit", path="f", old="def step_7(self, way):", new="x")
    numbered = await ask(sandbox, "edit", path="f", old="15\tdef step_7(self):", new="x")
    nothing = await ask(sandbox, "edit", path="f", old="SELECT * FROM users", new="x")
    many = await ask(sandbox, "edit", path="f", old="return 1", new="x")

    assert "other spaces:\n15\tdef step_7(self):\n16\t    return 7" in spaced.output
    assert "15\tdef step_7(self):" in near.output
    assert "line numbers, which `read` adds" in numbered.output
    assert "Nothing in the file is like it" in nothing.output
    assert "11 times, in lines 4, 22, 24, 26, 28, …" in many.output
    assert all(each.is_error for each in (spaced, near, numbered, nothing, many))


async def test_a_mark_for_what_was_not_shown_is_never_written_over_it():
    sandbox = holding(b"key = 'ghp_abc'\n")
    mark = "key = '[redacted:github-token]'"

    written = await ask(sandbox, "write", path="f", content=f"{mark}\nmore\n")
    edited = await ask(sandbox, "edit", path="f", old=mark, new="key = ''")
    put = await ask(sandbox, "edit", path="f", old="key", new="[redacted:github-token]")

    for outcome in (written, edited, put):
        assert outcome.is_error
        assert "not shown" in outcome.output
    assert sandbox.files["f"] == b"key = 'ghp_abc'\n"


async def test_what_a_person_allows_is_the_change_that_is_made():
    sandbox = holding(b"one\r\ntwo\r\n")
    call = Call("c", "edit", {"path": "f", "old": "one\ntwo", "new": "1\n2"})

    asked = await approval_request(call, ApprovalNeed("r", "d", ("x",)), sandbox, now=BEGAN)
    made = await run_call(sandbox, call, lambda chunk: None)

    assert asked.diff == made.diff


async def test_places_that_are_no_files_are_said_at_once(sandbox):
    script = """mkdir dir; mkfifo pipe; ln -s away broken; echo a > locked; chmod 400 locked
    echo b > hidden; chmod 000 hidden; echo dash > ./-; mkdir real; echo x > real/f
    ln -s real link"""
    await sandbox.shell(script, timeout_seconds=10)

    for name, path, reason in (
        ("read", "dir", "is a directory"),
        ("read", "pipe", "not a regular file"),
        ("read", "/dev/zero", "not a regular file"),
        ("read", "broken", "symbolic link to away, which is not there"),
        ("read", "nowhere/f", "there is no file nowhere/f"),
        ("read", "hidden", "may not be read"),
        ("write", "dir", "is a directory"),
        ("write", "pipe", "not a regular file"),
        ("write", "locked", "read-only"),
        ("write", "locked/below", "File exists"),
        ("write", "broken", "symbolic link"),
        ("write", "/etc/new", "cannot create"),
        ("edit", "nowhere", "there is no file nowhere"),
    ):
        arguments = {"write": {"content": "x"}, "edit": {"old": "a", "new": "b"}}.get(name, {})
        outcome = await ask(sandbox, name, path=path, **arguments)
        assert outcome.is_error, (name, path)
        assert (
            reason in outcome.output
            or "Permission denied" in outcome.output
            or ("Read-only" in outcome.output)
        ), (name, path, outcome.output)
    assert (await ask(sandbox, "read", path="-")).output == "1\tdash"
    assert (await ask(sandbox, "read", path="link/f")).output == "1\tx"
    assert not (await ask(sandbox, "write", path="new/deep/f", content="y\n")).is_error
    assert not (await ask(sandbox, "write", path="-x", content="y\n")).is_error


async def test_a_file_too_long_to_read_is_shown_as_far_as_it_goes(sandbox):
    await sandbox.shell(f"yes é | head -c {FILE_LIMIT_BYTES + 10} > long", timeout_seconds=20)

    shown = await ask(sandbox, "read", path="long", line_count=1)
    edited = await ask(sandbox, "edit", path="long", old="é", new="e")

    assert f"[only the first {FILE_LIMIT_BYTES} bytes" in shown.output
    assert "encoding" not in shown.output
    assert edited.is_error
    assert "longer than" in edited.output
