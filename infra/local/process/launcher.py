"""Becomes another program, tied to the life of the one that started it.

Run as a script by `infra.local.process.child`: `python -I -S launcher.py PARENT [--user NAME] --
ARGV…`. The process keeps its pid, so the supervisor watches the program itself.

- Linux: it asks the kernel to be killed when the supervisor dies (PR_SET_PDEATHSIG); a supervisor
  that was already gone by then is noticed.
- `--user` leaves root for that user, as PostgreSQL demands, but keeps CAP_DAC_OVERRIDE where
  there are capabilities: program and data may lie below a directory that only root may enter.

Sources: prctl(2), capset(2), capabilities(7).
"""

import ctypes
import os
import pwd
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522
_GONE = 70


def _leave_root(name: str) -> None:
    """Become `name`, keeping the right to pass directories that are closed to it."""
    entry = pwd.getpwnam(name)
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if libc is not None:
        libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    if libc is not None:
        mask = 1 << _CAP_DAC_OVERRIDE
        header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
        sets = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)  # effective, permitted, inheritable
        if libc.capset(header, sets) == 0:
            libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)


def _die_with(parent: int) -> None:
    """Be killed when the parent dies. Set after the change of user, which would clear it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(_GONE)


def main(arguments: list[str]) -> None:
    """Become the program named in the arguments."""
    split = arguments.index("--")
    match arguments[:split]:
        case [parent]:
            pass
        case [parent, "--user", name]:
            _leave_root(name)
        case _:
            raise SystemExit(f"usage: {__file__} PARENT [--user NAME] -- ARGV")
    _die_with(int(parent))
    program = arguments[split + 1 :]
    os.execv(program[0], program)  # noqa: S606 -- the point of this file: no shell, same pid


if __name__ == "__main__":
    main(sys.argv[1:])
