"""A worker that was taken over sends the broker what git itself would not send."""

import os
import struct
import zlib
from hashlib import sha1

import pytest

from tests.kit.repository.git_push import remote_refs, tree_of
from tests.kit.servers.forge import git_ok


def packet(content):
    return b"%04x" % (len(content) + 4) + content


def request(errand, new, pack, *, old="0" * 40, more=b"", capabilities=b"report-status"):
    line = f"{old} {new} refs/heads/{errand.branch}".encode()
    return packet(line + b"\0 " + capabilities) + more + b"0000" + pack


def entry(kind, content):
    size, head = len(content), []
    byte = (kind << 4) | (size & 15)
    size >>= 4
    while size:
        head.append(byte | 0x80)
        byte, size = size & 0x7F, size >> 7
    return bytes([*head, byte]) + zlib.compress(content)


def pack_of(*entries):
    whole = b"PACK" + struct.pack(">II", 2, len(entries)) + b"".join(entries)
    return whole + sha1(whole, usedforsecurity=False).digest()


def object_id(kind, content):
    said = f"{kind} {len(content)}\0".encode() + content
    return sha1(said, usedforsecurity=False).hexdigest()


async def send(errand, body):
    worker = await errand.world.broker_client(errand.token)
    return await worker.post(
        f"{errand.url}/git-receive-pack",
        content=body,
        headers={"content-type": "application/x-git-receive-pack-request"},
        timeout=90,
    )


def commit_of(tree, parent):
    who = b"E <e@x.test> 1700000000 +0000"
    lines = b"tree %b\nparent %b\nauthor %b\ncommitter %b\n\nx\n"
    return lines % (tree.encode(), parent.encode(), who, who)


def odd_tree(clone, names):
    """A commit on the head whose tree has entries as no git would write them."""
    blob = b"on: push\n"
    raw = bytes.fromhex(object_id("blob", blob))
    tree = b"".join(b"100644 " + name + b"\0" + raw for name in names)
    head = git_ok("rev-parse", "HEAD", inside=clone).strip()
    made = commit_of(object_id("tree", tree), head)
    return object_id("commit", made), pack_of(entry(3, blob), entry(2, tree), entry(1, made))


@pytest.mark.parametrize(
    "names",
    [
        [b".github/workflows/evil.yml"],
        [b"a", b"a"],
        [b"b", b"a", b".gitlab-ci.yml"],
        [b".git"],
        [b""],
        [b"."],
    ],
    ids=str,
)
async def test_a_tree_no_git_would_write_is_refused(errand, forge, clone, names):
    before = remote_refs(forge)
    new, pack = odd_tree(clone, names)
    answer = await send(errand, request(errand, new, pack))
    assert "push_refused" in answer.text
    assert remote_refs(forge) == before


def garbage(errand, clone):
    new, pack = odd_tree(clone, [b"fine.txt"])
    head = git_ok("rev-parse", "HEAD", inside=clone).strip()
    bomb = pack_of(entry(3, b"\0" * (200 * 1024 * 1024)))
    two = packet(f"{'0' * 40} {new} refs/heads/{errand.branch}".encode())
    thin = pack[:-20]
    base = git_ok("rev-parse", "HEAD:src/deep/main.py", inside=clone).strip()
    delta = b"\x07" + bytes.fromhex(base)
    thin = b"PACK" + struct.pack(">II", 2, 1) + bytes([(7 << 4) | 4]) + bytes.fromhex(base)
    thin += zlib.compress(delta[:4])
    thin += sha1(thin, usedforsecurity=False).digest()
    return {
        "nothing": request(errand, new, b""),
        "noise": request(errand, new, os.urandom(4096)),
        "cut": request(errand, new, pack[:-7]),
        "a_wrong_sum": request(errand, new, pack[:-20] + b"\0" * 20),
        "junk_behind": request(errand, new, pack + b"0000"),
        "a_second_pack": request(errand, new, pack + pack),
        "a_thin_pack": request(errand, new, thin),
        "not_what_is_named": request(errand, "1" * 40, pack),
        "a_file_for_a_commit": request(errand, object_id("blob", b"on: push\n"), pack),
        "a_bomb": request(errand, head, bomb[:-20] + b"\1" * 20),
        "twice_the_branch": request(errand, new, pack, more=two),
        "options": request(errand, new, b"", capabilities=b"report-status push-options")
        + packet(b"merge_request.create")
        + b"0000"
        + pack,
        "no_commands": b"0000" + pack,
        "another_old": request(errand, new, pack, old="2" * 40),
    }


GARBAGE = [
    *("nothing", "noise", "cut", "a_wrong_sum", "junk_behind", "a_second_pack", "a_thin_pack"),
    *("not_what_is_named", "a_file_for_a_commit", "a_bomb", "twice_the_branch", "options"),
    *("no_commands", "another_old"),
]


@pytest.mark.parametrize("what", GARBAGE)
async def test_what_is_no_whole_sound_push_is_refused(errand, forge, clone, what):
    before = remote_refs(forge)
    answer = await send(errand, garbage(errand, clone)[what])
    assert "push_refused" in answer.text, answer.text
    assert remote_refs(forge) == before


async def test_the_packs_of_these_tests_are_taken_when_they_are_sound(errand, forge, clone):
    new, pack = odd_tree(clone, [b"CODE.txt"])
    answer = await send(errand, request(errand, new, pack))
    assert "push_refused" in answer.text  # it takes the workflow and the owners away
    head = git_ok("rev-parse", "HEAD", inside=clone).strip()
    made = commit_of(tree_of(clone), head)
    new = object_id("commit", made)
    answer = await send(errand, request(errand, new, pack_of(entry(1, made))))
    assert "unpack ok" in answer.text
    assert new in remote_refs(forge)
