import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.broker.git.protocol.push_request import (
    MAX_COMMANDS_BYTES,
    PushRefused,
    Update,
    check,
    check_commands,
    read_commands,
)
from services.gateway.broker.git.protocol.receive_pack import offered, report_refusal

OLD, NEW, NONE = "1" * 40, "2" * 40, "0" * 40
BRANCH = "errand/task_a"
REF = f"refs/heads/{BRANCH}"


def line(text):
    content = text.encode() if isinstance(text, str) else text
    return b"%04x" % (len(content) + 4) + content


def push(*lines, pack=b"PACK..."):
    return b"".join(map(line, lines)) + b"0000" + pack


def test_a_push_of_the_tasks_branch_is_allowed():
    commands = read_commands(push(f"{OLD} {NEW} {REF}\0 report-status side-band-64k agent=git/2"))
    assert commands.updates == (Update(REF, OLD, NEW),)
    check(commands.updates, branch=BRANCH)


def test_a_push_from_a_shallow_clone_is_read():
    commands = read_commands(push(f"shallow {OLD}", f"{NONE} {NEW} {REF}\0 report-status\n"))
    assert commands.updates == (Update(REF, NONE, NEW),)


def test_gits_probe_with_no_commands_is_allowed():
    commands = read_commands(b"0000")
    assert (commands.is_complete, commands.updates, commands.size_bytes) == (True, (), 4)
    check(commands.updates, branch=BRANCH)


def test_a_push_says_where_its_pack_begins_and_what_git_can_read():
    start = push(f"{OLD} {NEW} {REF}\0 report-status side-band-64k agent=git/2")
    commands = read_commands(start)
    assert start[commands.size_bytes :] == b"PACK..."
    assert commands.capabilities == {"report-status", "side-band-64k", "agent=git/2"}
    check_commands(commands, branch=BRANCH)


def test_a_push_with_options_or_two_commands_is_refused():
    options = read_commands(push(f"{OLD} {NEW} {REF}\0 report-status push-options"))
    with pytest.raises(PushRefused, match="no options"):
        check_commands(options, branch=BRANCH)
    twice = read_commands(push(f"{OLD} {NEW} {REF}\0 report-status", f"{OLD} {NEW} {REF}"))
    with pytest.raises(PushRefused, match="once"):
        check_commands(twice, branch=BRANCH)


@pytest.mark.parametrize("cut", [0, 3, 40, 34, 1_000])
def test_what_a_forge_offers_of_a_push_is_replaced_by_what_the_broker_takes(cut):
    first = line("# service=git-receive-pack\n") + b"0000"
    ref = line(f"{OLD} refs/heads/main\0report-status push-options push-cert=abc atomic\n")
    rest = line(f"{NEW} refs/heads/other\n") + b"0000"
    whole = first + ref + rest
    if cut < len(first + ref):
        assert offered(whole[:cut]) is None
    changed = line(f"{OLD} refs/heads/main\0report-status atomic no-thin\n")
    assert offered(whole) == first + changed + rest


def test_what_is_no_advertisement_is_passed_on_as_it_is():
    assert offered(b"<html>no git here") == b"<html>no git here"
    assert offered(b"0000" * 40_000) == b"0000" * 40_000


def test_a_refused_push_is_reported_in_one_line():
    report = report_refusal(REF, "no\nand no", frozenset({"report-status"}))
    assert report == line("unpack ok\n") + line(f"ng {REF} no and no\n") + b"0000"
    assert report_refusal(REF, "no", frozenset()) is None


@pytest.mark.parametrize(
    "ref",
    [
        "refs/heads/main",
        f"{REF}/x",
        f"{REF}x",
        f"refs/heads/{BRANCH.upper()}",
        f"refs/tags/{BRANCH}",
        "refs/heads/errand/task_b",
        f"refs/heads/../heads/{BRANCH}",
        f"refs/heads/main {REF}",
        "HEAD",
    ],
)
def test_any_other_ref_is_refused(ref):
    with pytest.raises(PushRefused, match="may be pushed"):
        check(read_commands(push(f"{OLD} {NEW} {ref}\0")).updates, branch=BRANCH)


def test_a_second_command_is_looked_at_too():
    commands = read_commands(push(f"{OLD} {NEW} {REF}\0 atomic", f"{OLD} {NEW} refs/heads/main"))
    with pytest.raises(PushRefused, match="refs/heads/main"):
        check(commands.updates, branch=BRANCH)


def test_the_branch_may_not_be_deleted():
    with pytest.raises(PushRefused, match="deleted"):
        check(read_commands(push(f"{OLD} {NONE} {REF}")).updates, branch=BRANCH)


@pytest.mark.parametrize(
    "start",
    [
        b"XXXX",
        b"PACK",
        b"0001",
        b"0003",
        b"0004",
        line("push-cert\0"),
        line(f"{OLD} {NEW}"),
        line(f"{OLD} {NEW} {REF}\nrefs/heads/main"),
        line(f"{OLD}  {NEW} {REF}"),
        line("shallow x"),
        b"-001" + b"x" * 9,
        b"+010" + b"x" * 20,
    ],
)
def test_what_is_no_plain_push_is_refused(start):
    with pytest.raises(PushRefused):
        check(read_commands(start + b"0000").updates, branch=BRANCH)


def test_endless_commands_are_refused():
    with pytest.raises(PushRefused, match="64 KiB"):
        read_commands(line(f"shallow {OLD}") * (MAX_COMMANDS_BYTES // 50))


@given(st.integers(0, 300))
def test_commands_are_never_taken_as_known_before_the_flush(cut):
    whole = push(f"shallow {OLD}", f"{OLD} {NEW} {REF}\0 caps", f"{OLD} {NEW} refs/heads/main")
    end = whole.index(b"0000PACK") + 4
    commands = read_commands(whole[:cut])
    assert commands.is_complete == (cut >= end)
    if commands.is_complete:
        assert len(commands.updates) == 2


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(start):
    try:
        read_commands(start)
    except PushRefused:
        return
