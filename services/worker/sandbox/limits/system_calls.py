"""The system calls that a sandbox refuses: one table, for bubblewrap and for Docker.

Namespaces keep files, processes and addresses apart. What is refused here either reaches past them
(sockets of the machine such as AF_VSOCK, kernel keys, io_uring, the handles of files), or is code
of the kernel that a build or a test does not need (BPF, performance events, userfaultfd, mounts).
Sources: seccomp(2), bpf(2), socket(2); numbers of the kernel's syscall tables.
"""

import json
import struct
from typing import Final, NamedTuple


class Architecture(NamedTuple):
    """A processor as seccomp names it, and the column of its numbers in the table below."""

    audit: int
    column: int


ARCHITECTURES: Final = {
    "x86_64": Architecture(audit=0xC000003E, column=0),
    "aarch64": Architecture(audit=0xC00000B7, column=1),
}

# Name: number on x86_64, number on aarch64 (-1: it has none).
_REFUSED: Final = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "clock_settime": (227, 112),
    "create_module": (174, -1),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "ioperm": (173, -1),
    "iopl": (172, -1),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "uselib": (134, -1),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
}
# Answered as an older kernel would, so that programs take their other way. The flags of clone3 are
# in memory, where no filter can look; the C library then calls clone.
_ABSENT: Final = {
    "clone3": (435, 435),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
}
_CLONE: Final = (56, 220)
_SOCKET: Final = (41, 198)
_SOCKETPAIR: Final = (53, 199)
_IOCTL: Final = (16, 29)

# clone's flags for namespaces of mounts, cgroups, names, IPC, users, processes and networks. Who
# makes one of users is root in it, and reaches code of the kernel that is otherwise closed to them.
_NEW_NAMESPACES: Final = (
    *(0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000),
    *(0x1000_0000, 0x2000_0000, 0x4000_0000),
)

_AF_UNIX: Final = 1
_AF_NETLINK: Final = 16
_NETLINK_ROUTE: Final = 0
_FAMILIES: Final = (_AF_UNIX, 2, 10)  # and IPv4, IPv6
_KNOWN_FAMILIES: Final = 64  # more than the kernel has
_TERMINAL_INPUT: Final = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: they type into a terminal

_EPERM: Final = 1
_ENOSYS: Final = 38
_EAFNOSUPPORT: Final = 97

_LOAD: Final = 0x20
_JUMP_IF_EQUAL: Final = 0x15
_JUMP_IF_GREATER_OR_EQUAL: Final = 0x35
_JUMP_IF_ANY_BIT: Final = 0x45
_RETURN: Final = 0x06
_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000
_AT_NUMBER: Final = 0
_AT_ARCHITECTURE: Final = 4
_AT_ARGUMENTS: Final = 16
_X32: Final = 0x40000000

_ENDS: Final = {
    "allow": _ALLOW,
    "refuse": _ERRNO | _EPERM,
    "absent": _ERRNO | _ENOSYS,
    "no_family": _ERRNO | _EAFNOSUPPORT,
}


class _Instruction(NamedTuple):
    """One of classic BPF; `yes` and `no` name an end, or are empty for the next instruction."""

    code: int
    value: int
    yes: str = ""
    no: str = ""


def seccomp_filter(machine: str) -> bytes:
    """Compile the filter for a processor (`x86_64`, `aarch64`): bytes for `bwrap --seccomp`.

    Raises ValueError for a processor that the table does not have.
    """
    if machine not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise ValueError(f"No system calls are known for the processor {machine}, only {known}.")
    program = _program(*ARCHITECTURES[machine])
    ends = {name: len(program) + place for place, name in enumerate(_ENDS)}
    code = b"".join(_assemble(each, at, ends) for at, each in enumerate(program))
    return code + b"".join(struct.pack("=HBBI", _RETURN, 0, 0, value) for value in _ENDS.values())


def docker_profile() -> str:
    """Write the same as a seccomp profile of Docker, in JSON."""
    refused = {"names": sorted(_REFUSED), "action": "SCMP_ACT_ERRNO", "errnoRet": _EPERM}
    absent = {"names": sorted(_ABSENT), "action": "SCMP_ACT_ERRNO", "errnoRet": _ENOSYS}
    pair = [_rule("socketpair", _EAFNOSUPPORT, (0, _AF_UNIX, "SCMP_CMP_NE"))]
    terminal = [_rule("ioctl", _EPERM, (1, value, "SCMP_CMP_EQ")) for value in _TERMINAL_INPUT]
    namespaces = [
        _rule("clone", _EPERM, (0, flag, "SCMP_CMP_MASKED_EQ")) for flag in _NEW_NAMESPACES
    ]
    netlink = (0, _AF_NETLINK, "SCMP_CMP_EQ"), (2, _NETLINK_ROUTE, "SCMP_CMP_NE")
    families = [
        _rule("socket", _EAFNOSUPPORT, (0, family, "SCMP_CMP_EQ"))
        for family in range(_KNOWN_FAMILIES)
        if family not in (*_FAMILIES, _AF_NETLINK)
    ]
    others = _rule("socket", _EAFNOSUPPORT, (0, _KNOWN_FAMILIES, "SCMP_CMP_GE"))
    sockets = [*families, others, _rule("socket", _EAFNOSUPPORT, *netlink)]
    return json.dumps(
        {
            "defaultAction": "SCMP_ACT_ALLOW",
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
            "syscalls": [refused, absent, *pair, *terminal, *namespaces, *sockets],
        }
    )


def _rule(name: str, errno: int, *conditions: tuple[int, int, str]) -> dict[str, object]:
    arguments = [
        {"index": at, "value": value, "valueTwo": value, "op": op} for at, value, op in conditions
    ]
    return {"names": [name], "action": "SCMP_ACT_ERRNO", "errnoRet": errno, "args": arguments}


def _program(audit: int, column: int) -> list[_Instruction]:
    """List the instructions, without the returns that stand behind them."""
    program = [
        _Instruction(_LOAD, _AT_ARCHITECTURE),
        _Instruction(_JUMP_IF_EQUAL, audit, no="absent"),  # of another processor, as of i386
        _Instruction(_LOAD, _AT_NUMBER),
        _Instruction(_JUMP_IF_GREATER_OR_EQUAL, _X32, yes="absent"),
    ]
    for table, end in ((_REFUSED, "refuse"), (_ABSENT, "absent")):
        numbers = (numbers[column] for numbers in table.values())
        program += [
            _Instruction(_JUMP_IF_EQUAL, number, yes=end) for number in numbers if number >= 0
        ]
    program += _call(
        _CLONE[column],
        _Instruction(_LOAD, _argument(0)),
        _Instruction(_JUMP_IF_ANY_BIT, sum(_NEW_NAMESPACES), yes="refuse", no="allow"),
    )
    program += _call(
        _SOCKETPAIR[column],
        _Instruction(_LOAD, _argument(0)),
        _Instruction(_JUMP_IF_EQUAL, _AF_UNIX, yes="allow", no="no_family"),
    )
    program += _call(
        _IOCTL[column],
        _Instruction(_LOAD, _argument(1)),
        *(_Instruction(_JUMP_IF_EQUAL, value, yes="refuse") for value in _TERMINAL_INPUT),
        _Instruction(_JUMP_IF_EQUAL, 0, yes="allow", no="allow"),
    )
    return [
        *program,
        _Instruction(_JUMP_IF_EQUAL, _SOCKET[column], no="allow"),
        _Instruction(_LOAD, _argument(0)),
        *(_Instruction(_JUMP_IF_EQUAL, family, yes="allow") for family in _FAMILIES),
        _Instruction(_JUMP_IF_EQUAL, _AF_NETLINK, no="no_family"),
        _Instruction(_LOAD, _argument(2)),
        _Instruction(_JUMP_IF_EQUAL, _NETLINK_ROUTE, yes="allow", no="no_family"),
    ]


def _call(number: int, *inside: _Instruction) -> list[_Instruction]:
    """Judge one system call's arguments; any other goes past this to what follows."""
    return [_Instruction(_JUMP_IF_EQUAL, number, no=f"+{len(inside)}"), *inside]


def _argument(place: int) -> int:
    """Return where the lower half of an argument stands, on a little-endian processor."""
    return _AT_ARGUMENTS + 8 * place


def _assemble(instruction: _Instruction, at: int, ends: dict[str, int]) -> bytes:
    yes, no = (_distance(name, at, ends) for name in (instruction.yes, instruction.no))
    return struct.pack("=HBBI", instruction.code, yes, no, instruction.value)


def _distance(name: str, at: int, ends: dict[str, int]) -> int:
    if not name:
        return 0
    return int(name) if name.startswith("+") else ends[name] - at - 1
