"""Free ports, chosen before the programs that listen on them are started.

A program that is restarted keeps its port. The next run of the same directory asks for the same
ports, and takes others where they are taken. Between choosing a port and listening on it a moment
goes by: so they are not of those that the system gives to whoever connects, and on Linux stacks
that start together reserve theirs from each other.
"""

import errno
import json
import secrets
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

Ports = Mapping[str, int]

_RANGE: Final = range(10_000, 32_768)
_TRIES: Final = 100


class PortTaken(Exception):
    """The port that was asked for by number is in use; the text says what to do."""


@contextmanager
def chosen(
    names: Sequence[str], preferred: Ports, *, host: str = "127.0.0.1"
) -> Iterator[dict[str, int]]:
    """Choose a free port for each name, the preferred one where it is free.

    No other stack chooses them while inside. Raises OSError when none is free, or there is no such
    host here.
    """
    with ExitStack() as reserved:
        with ExitStack() as held:  # until the last is chosen, so no two are the same
            found = {name: _choose(held, reserved, host, preferred.get(name, 0)) for name in names}
        yield found


def demand(port: int, *, host: str) -> None:
    """Raise PortTaken unless this very port is free on this host."""
    try:
        _listen(host, port).close()
    except OSError as error:
        raise PortTaken(
            f"Port {port} on {host} cannot be used ({error.strerror}). Choose another with --port,"
            " or leave it out to get a free one."
        ) from None


def remembered(file: Path) -> dict[str, int]:
    """Read the ports of the last run; none when there was none."""
    if not file.exists():
        return {}
    stored: dict[str, int] = json.loads(file.read_text())
    return stored


def remember(file: Path, ports: Ports) -> None:
    """Keep the ports for the next run."""
    file.write_text(json.dumps(dict(ports)))


def _choose(held: ExitStack, reserved: ExitStack, host: str, preferred: int) -> int:
    others = secrets.SystemRandom().sample(_RANGE, _TRIES)
    for port in (preferred, *others) if preferred else others:
        with ExitStack() as attempt:
            try:
                listener = attempt.enter_context(_listen(host, port))
                reservation = attempt.enter_context(_reserve(port))
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
                continue
            attempt.pop_all()
            held.enter_context(listener)
            reserved.enter_context(reservation)
            return port
    raise OSError(f"No port could be had on {host}: {_TRIES} of {_RANGE} are in use.")


def _reserve(port: int) -> socket.socket:
    """Reserve the port on this machine, in no directory, for as long as this process lives.

    Raises OSError when another process has reserved it. Reserves nothing where names need a
    directory.
    """
    reservation = socket.socket(socket.AF_UNIX)
    try:
        if sys.platform == "linux":
            reservation.bind(f"\0errand-port-{port}")
    except OSError:
        reservation.close()
        raise
    return reservation


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1)
    except OSError:
        listener.close()
        raise
    return listener
