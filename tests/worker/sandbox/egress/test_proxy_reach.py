"""Commands of a sandbox reach the hosts that are allowed, through the proxy, and nothing else."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from events import EgressDenied
from events.protocol.api.egress import EgressRules
from tests.kit.servers.egress import PUBLIC, Mirror, proxy_to
from tests.kit.servers.sandboxes import running_sandbox

KINDS = ["bubblewrap", pytest.param("docker", marks=pytest.mark.docker)]

GET = """
import sys, urllib.request, urllib.error
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
"""
TUNNEL = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", 61080, timeout=20)
host, port = sys.argv[1].split(":")
connection.set_tunnel(host, int(port))
try:
    connection.request("GET", "/inside")
    print(connection.getresponse().read().decode())
except OSError as error:
    print(error)
"""
# Every other way out that a program may try; prints those that lead anywhere.
PROBES = """
import socket, sys
def tcp(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(3)
        s.connect(address)
def udp(family, address):
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.settimeout(1)
        s.sendto(b"x", address)
        s.recvfrom(100)
def raw(family, address):
    socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
def name(family, address):
    socket.getaddrinfo("example.com", 443)
def abstract(family, address):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(address)
four, six, port = socket.AF_INET, socket.AF_INET6, int(sys.argv[1])
tries = [
    (tcp, four, ("127.0.0.1", port)), (tcp, six, ("::1", port)), (tcp, four, (sys.argv[2], port)),
    (tcp, four, ("169.254.169.254", 80)), (tcp, four, ("1.1.1.1", 443)),
    (tcp, four, ("192.0.2.7", 80)),
    (tcp, six, ("fdaa::3", 53)), (tcp, six, ("2606:4700::1111", 443)),
    (tcp, six, ("::ffff:169.254.169.254", 80)),
    (udp, four, ("127.0.0.1", port)), (udp, four, ("8.8.8.8", 53)),
    (udp, six, ("2001:4860::8888", 53)),
    (raw, four, None), (name, four, None), (abstract, None, chr(0) + sys.argv[3]),
]
for attempt, family, address in tries:
    try:
        attempt(family, address)
    except OSError:
        continue
    print("reached", attempt.__name__, address)
with open("/proc/net/dev") as file:
    print(*sorted(line.split(":")[0].strip() for line in file if ":" in line))
print("end")
"""


@contextmanager
def servers_of_the_machine() -> Iterator[tuple[int, str, str]]:
    """Yield the port of listeners on every address of this machine, its own address, and a name.

    Of TCP, of UDP (which answers), and of a Unix socket without a file.
    """
    name = f"errand-test-{threading.get_ident()}"
    with (
        socket.create_server(("", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        port = tcp.getsockname()[1]
        udp.bind(("", port))
        abstract.bind(f"\0{name}")
        abstract.listen(1)

        def answer() -> None:
            try:
                udp.settimeout(60)
                while True:
                    content, sender = udp.recvfrom(100)
                    if content == b"end":
                        return
                    udp.sendto(b"reached", sender)
            except OSError:
                return

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield port, socket.gethostbyname(socket.gethostname()), name
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"end", ("127.0.0.1", port))
            thread.join()


@pytest.mark.parametrize("kind", KINDS)
async def test_an_allowed_host_is_reached_and_nothing_else(kind):
    names = {"files.example": [PUBLIC], "other.example": [PUBLIC], "inside.example": ["127.0.0.1"]}
    rules = EgressRules(allow=("files.example", "inside.example"))
    server = Mirror()
    async with (
        proxy_to(server, rules, names) as proxy,
        running_sandbox(kind, egress=proxy) as sandbox,
    ):

        async def run(script: str, *arguments: str) -> str:
            ended = await sandbox.execute(("python3", "-c", script, *arguments), timeout_seconds=60)
            return ended.output.decode()

        assert "GET /page HTTP/1.1" in await run(GET, "http://files.example/page")
        assert "GET /inside HTTP/1.1" in await run(TUNNEL, "files.example:443")
        assert "403 Errand: This task" in await run(GET, "http://other.example/page")
        assert "403" in await run(TUNNEL, "other.example:443")
        assert "no task may reach" in await run(GET, "http://inside.example/")
        assert await proxy.next_denials() == [
            EgressDenied(host="other.example", port=80, count=1),
            EgressDenied(host="other.example", port=443, count=1),
            EgressDenied(host="inside.example", port=80, count=1, reason="address"),
        ]
        connections = server.connections
        with servers_of_the_machine() as (port, address, name):
            assert (await run(PROBES, str(port), address, name)).split("\n") == ["lo", "end", ""]
        assert server.connections == connections

        shell = await sandbox.shell(
            "echo $HTTPS_PROXY; python3 -c '" + TUNNEL.replace("sys.argv[1]", '"other.example:443"')
            + "'; sleep 0 & wait; echo alive", timeout_seconds=60,
        )  # fmt: skip
        assert shell.output.startswith(b"http://127.0.0.1:61080\n")
        proxy.set_rules(EgressRules(policy="open"))
        assert "GET /page" in await run(GET, "http://other.example/page")


@pytest.mark.parametrize("kind", KINDS)
async def test_without_a_proxy_no_variable_names_one(kind):
    async with running_sandbox(kind) as sandbox:
        ended = await sandbox.execute(("bash", "-c", "env | grep -ci proxy"), timeout_seconds=30)
        assert ended.output == b"0\n"
