"""System calls that reach past the namespaces are refused, and ordinary programs notice nothing."""

import json
import secrets
from collections.abc import AsyncIterator

import pytest

from services.worker.sandbox.limits.system_calls import (
    ARCHITECTURES,
    docker_profile,
    seccomp_filter,
)
from services.worker.sandbox.sandbox import BackendSandbox
from tests.kit.servers.sandboxes import running_sandbox

KINDS = ["bubblewrap", pytest.param("docker", marks=pytest.mark.docker)]

TRY = """
import ctypes, errno, json, platform, sys
libc = ctypes.CDLL(None, use_errno=True)
numbers = json.loads(sys.argv[1])
column = {"x86_64": 0, "aarch64": 1}[platform.machine()]
answers = {}
for name, both in numbers.items():
    ctypes.set_errno(0)
    result = libc.syscall(both[column], *(ctypes.c_long(0) for _ in range(6)))
    answers[name] = "done" if result >= 0 else errno.errorcode[ctypes.get_errno()]
print(json.dumps(answers))
"""
CLONE = """
import ctypes, errno, json, os, platform, signal
libc = ctypes.CDLL(None, use_errno=True)
number = {"x86_64": 56, "aarch64": 220}[platform.machine()]
answers = {}
for bit in (17, 25, 26, 27, 28, 29, 30):
    for more in (0, 0x10000000):
        flags = ctypes.c_ulong(1 << bit | more | signal.SIGCHLD)
        made = libc.syscall(number, flags, *(ctypes.c_long(0) for _ in range(4)))
        if made == 0:
            os._exit(0)
        answers[f"{bit} {more}"] = "made" if made > 0 else errno.errorcode[ctypes.get_errno()]
print(json.dumps(answers))
"""
SOCKETS = """
import errno, json, socket
answers = {}
for family in list(range(50)) + [1000]:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
        try:
            socket.socket(family, kind).close()
        except OSError as error:
            answers.setdefault(str(family), []).append(errno.errorcode[error.errno])
        else:
            answers.setdefault(str(family), []).append("made")
print(json.dumps(answers))
"""
NETLINK = """
import errno, json, socket
answers = []
for protocol in range(1, 23):
    try:
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol).close()
    except OSError as error:
        answers.append(errno.errorcode[error.errno])
    else:
        answers.append("made")
print(json.dumps(answers))
"""
REFUSED = {
    "add_key": (248, 217),
    "bpf": (321, 280),
    "clone3": (435, 435),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "kcmp": (312, 272),
    "keyctl": (250, 219),
    "mount": (165, 40),
    "move_mount": (429, 429),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "perf_event_open": (298, 241),
    "request_key": (249, 218),
    "setns": (308, 268),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}


@pytest.fixture(params=KINDS)
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[BackendSandbox]:
    async with running_sandbox(request.param, task=f"task_{secrets.token_hex(6)}") as started:
        yield started


async def python(sandbox: BackendSandbox, script: str, *arguments: str):
    ended = await sandbox.execute(("python3", "-c", script, *arguments), timeout_seconds=30)
    assert ended.exit_code == 0, ended.output
    return json.loads(ended.output)


async def test_calls_that_reach_past_the_namespaces_are_refused(sandbox):
    answers = await python(sandbox, TRY, json.dumps(REFUSED))
    absent = ("io_uring_setup", "io_uring_enter", "io_uring_register", "clone3")
    assert answers == {name: "ENOSYS" if name in absent else "EPERM" for name in REFUSED}


async def test_no_namespace_can_be_made_in_which_one_would_be_root(sandbox):
    assert set((await python(sandbox, CLONE)).values()) == {"EPERM"}


async def test_only_sockets_of_unix_and_of_the_internet_can_be_made(sandbox):
    answers = await python(sandbox, SOCKETS)
    made = {int(family) for family, kinds in answers.items() if "made" in kinds}
    assert made == {1, 2, 10, 16}  # 16: netlink, of which only routes (below)
    assert set(answers["40"]) == {"EAFNOSUPPORT"}  # AF_VSOCK: the machine's own, of no namespace


async def test_of_netlink_only_routes_can_be_asked(sandbox):
    assert set(await python(sandbox, NETLINK)) == {"EAFNOSUPPORT"}


async def test_what_programs_need_of_the_kernel_works(sandbox):
    script = """
import json, multiprocessing, os, pty, socket, ssl, subprocess, threading
left, right = socket.socketpair()
left.send(b"pair")
with multiprocessing.get_context("fork").Pool(2) as pool:
    squares = pool.map(int.bit_length, [1, 2, 4])
listening = socket.create_server(("127.0.0.1", 0))
socket.create_connection(listening.getsockname()).close()
parent, child = pty.openpty()
print(json.dumps([right.recv(4).decode(), squares, socket.if_nameindex()[0][1],
                  subprocess.run(["git", "--version"]).returncode, os.isatty(child)]))
"""
    ended = await sandbox.execute(("python3", "-c", script), timeout_seconds=30)
    assert ended.exit_code == 0, ended.output
    assert json.loads(ended.output.splitlines()[-1]) == ["pair", [1, 2, 3], "lo", 0, True]


async def test_nothing_can_be_typed_into_a_terminal(sandbox):
    script = """
import errno, fcntl, json, os, pty
parent, child = pty.fork()
if parent == 0:
    try:
        fcntl.ioctl(0, 0x5412, b"x")
    except OSError as error:
        os._exit(error.errno)
    os._exit(0)
print(json.dumps(os.waitstatus_to_exitcode(os.waitpid(parent, 0)[1])))
"""
    assert await python(sandbox, script) == 1  # EPERM


def test_a_filter_fits_the_kernel_on_every_processor():
    for machine in ARCHITECTURES:
        program = seccomp_filter(machine)
        assert len(program) % 8 == 0
        assert len(program) // 8 <= 4096


def test_a_processor_without_numbers_is_refused_by_name():
    with pytest.raises(ValueError, match=r"riscv64, only x86_64, aarch64"):
        seccomp_filter("riscv64")


def test_docker_and_bubblewrap_refuse_the_same_calls():
    profile = json.loads(docker_profile())
    named = {name for rule in profile["syscalls"] for name in rule["names"]}
    assert set(REFUSED) | {"clone", "socket", "socketpair", "ioctl"} <= named
