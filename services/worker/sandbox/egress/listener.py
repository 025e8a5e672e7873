"""The listener inside a sandbox on which its commands find the proxy.

A socket belongs to the network in which it was made, whoever holds it. So one is made inside, on
loopback, and handed out to the worker, which answers on it: nothing in the sandbox has to run for
it, be mounted for it, or can be stopped. The network inside holds loopback and nothing else.
"""

import asyncio
import contextlib
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from infra.runtime.tree_removal import remove_tree

LOOPBACK: Final = "127.0.0.1"
PROXY_PORT: Final = 61080  # above the ports that the kernel gives out by itself

_HAND_OVER_SECONDS: Final = 20.0
_DESCRIPTORS: Final = 3
_BUNDLES: Final = (
    Path("/etc/ssl/certs/ca-certificates.crt"),
    Path("/etc/pki/tls/certs/ca-bundle.crt"),
)
_TRUSTING: Final = (
    *("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO"),
    *("NODE_EXTRA_CA_CERTS", "CARGO_HTTP_CAINFO"),
)

# Linux, without an engine: a network of its own, loopback up (SIOCSIFFLAGS), and for a worker that
# is no root a user namespace that owns it. All three live on in the descriptors that are sent.
_MAKE_NETWORK: Final = """
import ctypes, fcntl, os, socket, struct, sys
user, group = os.geteuid(), os.getegid()
library = ctypes.CDLL(None, use_errno=True)
if library.unshare(0x4000_0000 | (0x1000_0000 if user else 0)):
    sys.exit(f"unshare: {os.strerror(ctypes.get_errno())}")
if user:
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"),
                       ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
listener = socket.socket()
fcntl.ioctl(listener, 0x8914, struct.pack("16sH14x", b"lo", 0x41))
listener.bind((sys.argv[2], int(sys.argv[3])))
listener.listen(128)
spaces = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY) for name in ("net", "user")]
socket.send_fds(socket.socket(fileno=int(sys.argv[1])), [b"x"], [listener.fileno(), *spaces])
"""


class SandboxNetwork(NamedTuple):
    """A network that holds nothing but loopback, and the proxy's listener in it."""

    listener: socket.socket
    net_namespace: int
    user_namespace: int

    def command(self, *, is_root: bool) -> list[str]:
        """Return what has to stand before a command that shall run in this network."""
        spaces = f"/proc/{os.getpid()}/fd"
        enter = ["nsenter", f"--net={spaces}/{self.net_namespace}"]
        if not is_root:
            enter += ["--preserve-credentials", f"--user={spaces}/{self.user_namespace}"]
        return [*enter, "--"]

    def close(self) -> None:
        """Release the network: it ends with the last process in it."""
        self.listener.close()
        os.close(self.net_namespace)
        os.close(self.user_namespace)


async def make_network() -> SandboxNetwork:
    """Make an empty network for the commands of one sandbox. Raises OSError."""
    here, there = socket.socketpair()
    with here:
        with there:
            number = str(there.fileno())
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", "-c", _MAKE_NETWORK),
                *(number, LOOPBACK, str(PROXY_PORT)),
                pass_fds=[there.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
        _, said = await process.communicate()
        _, descriptors, _, _ = socket.recv_fds(here, 1, _DESCRIPTORS)
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - it takes no keyword
    if len(descriptors) != _DESCRIPTORS:
        lines = said.decode(errors="replace").strip().splitlines()
        raise OSError(f"No network can be made for the sandbox ({lines[-1] if lines else ''})")
    return SandboxNetwork(socket.socket(fileno=descriptors[0]), *descriptors[1:])


def _bind(listener: socket.socket, path: Path) -> None:
    """Bind a socket to a path of any length: the kernel takes 107 bytes of it (unix(7))."""
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        short = Path(f"/proc/self/fd/{directory}")
        listener.bind(str(short / path.name if short.exists() else path))
    finally:
        os.close(directory)


class ListenerHandOver:
    """A directory for a container, with a socket on which its first process sends a listener.

    Closed before the first command runs: no command can hand anything to the worker.
    """

    def __init__(self) -> None:
        self._above = Path(tempfile.mkdtemp(prefix="errand-egress-"))
        self.path = self._above / "shown" / "listener"
        self.path.parent.mkdir()
        self.path.parent.chmod(0o755)
        self._socket = socket.socket(socket.AF_UNIX)
        _bind(self._socket, self.path)
        self.path.chmod(
            0o666
        )  # the container's first process is another user; `_above` is ours alone
        self._socket.listen(1)
        self._socket.settimeout(_HAND_OVER_SECONDS)

    def receive(self) -> socket.socket:
        """Return the listener. Blocks. Raises OSError when none comes, or it is none."""
        connection, _ = self._socket.accept()
        with connection:
            connection.settimeout(_HAND_OVER_SECONDS)
            _, descriptors, _, _ = socket.recv_fds(connection, 1, 1)
        if len(descriptors) != 1:
            raise OSError("The container handed over no listener for the egress proxy")
        listener = socket.socket(fileno=descriptors[0])
        listener.set_inheritable(False)
        is_listening = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        if not is_listening or listener.getsockname() != (LOOPBACK, PROXY_PORT):
            listener.close()
            raise OSError("The container handed over something that is no listener on loopback")
        return listener

    def close(self) -> None:
        """Remove the socket and the directory."""
        self._socket.close()
        remove_tree(self._above)


@contextlib.contextmanager
def hand_over() -> Iterator[ListenerHandOver]:
    """Open a ListenerHandOver, and close it at the end of the block."""
    opened = ListenerHandOver()
    try:
        yield opened
    finally:
        opened.close()


def system_certificates() -> Path | None:
    """Return this machine's bundle of trusted certificates; None where it has none of its own.

    A company's proxy may sign with a CA that the machine trusts and no program's own list has.
    """
    return next((path for path in _BUNDLES if path.is_file() and path.resolve() == path), None)


def proxy_environment(certificates: Path | None = None) -> dict[str, str]:
    """Return the variables by which programs find the proxy, and the certificates to trust."""
    proxy = f"http://{LOOPBACK}:{PROXY_PORT}"
    direct = "localhost,127.0.0.1,::1"
    java = " ".join(
        f"-D{scheme}.proxyHost={LOOPBACK} -D{scheme}.proxyPort={PROXY_PORT}"
        for scheme in ("http", "https")
    )
    return {
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), proxy),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), direct),
        **(dict.fromkeys(_TRUSTING, str(certificates)) if certificates else {}),
        **dict.fromkeys(("YARN_HTTP_PROXY", "YARN_HTTPS_PROXY"), proxy),
        "NODE_USE_ENV_PROXY": "1",  # fetch of Node.js 24
        "MAVEN_OPTS": java,
        "GRADLE_OPTS": java,
    }
