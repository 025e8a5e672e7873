"""Free ports, chosen before the programs that listen on them are started.

A program that is restarted keeps its port. The next run of the same directory asks for the same
ports, and takes others where they are taken.
"""

import errno
import json
import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

Ports = Mapping[str, int]


class PortTaken(Exception):
    """The port that was asked for by number is in use; the text says what to do."""


def choose(names: Sequence[str], wished: Ports, *, host: str = "127.0.0.1") -> dict[str, int]:
    """Choose a free port for each name, the wished one where it is free."""
    with ExitStack() as held:  # all are held until the last is chosen, so no two are the same
        return {name: _hold(held, host, wished.get(name, 0)) for name in names}


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


def _hold(held: ExitStack, host: str, port: int) -> int:
    try:
        listener = _listen(host, port)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        listener = _listen(host, 0)
    held.callback(listener.close)
    return int(listener.getsockname()[1])


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
