"""The head of a request to the proxy: what it asks for, told apart from every trick with URLs.

`CONNECT host:port` asks for a tunnel, `GET http://host/path` for one plain request. h11 has refused
what is no HTTP (two lengths that differ, names with blanks) before this is asked, and what goes on
is written again from what it read.
"""

from typing import Final, NamedTuple

import h11

from events.protocol.api.egress import HostAndPort, parse_host

_HTTP: Final = "http://"
_HTTP_PORT: Final = 80
# Of one connection and not of the message (RFC 9110 §7.6.1), or written again for the next one.
_NOT_FORWARDED: Final = frozenset(
    {b"connection", b"proxy-connection", b"keep-alive", b"te", b"trailer", b"upgrade"}
    | {b"proxy-authorization", b"proxy-authenticate", b"host", b"expect"}
)

Headers = list[tuple[bytes, bytes]]


class ProxyRequest(NamedTuple):
    """One request. `path` is empty for a tunnel."""

    target: HostAndPort
    path: str


def parse_request(request: h11.Request) -> ProxyRequest:
    """Return what is asked for. Raises ValueError, with a sentence for people."""
    try:
        target = request.target.decode("ascii")
    except UnicodeDecodeError:
        raise ValueError("The target of the request is not written in ASCII.") from None
    if {b"content-length", b"transfer-encoding"} <= {name for name, _ in request.headers}:
        raise ValueError("The request states its length in two ways.")
    if request.method == b"CONNECT":
        return ProxyRequest(_with_port(target, 0), "")
    if target[: len(_HTTP)].lower() != _HTTP:
        raise ValueError(
            "This is a proxy: ask for a tunnel (CONNECT host:port) or for a URL that begins with "
            "http://."
        )
    rest = target[len(_HTTP) :]
    end = next((at for at, character in enumerate(rest) if character in "/?#\\"), len(rest))
    authority, path = rest[:end], rest[end:]
    if path.startswith(("#", "\\")):
        raise ValueError("The URL has a character that does not belong there.")
    path = path if path.startswith("/") else f"/{path}"
    return ProxyRequest(_with_port(authority, _HTTP_PORT), path)


def _with_port(authority: str, default: int) -> HostAndPort:
    if "@" in authority:
        raise ValueError("The URL holds a user name; nothing is sent to such a URL.")
    host, port = parse_host(authority)
    if not port and not default:
        raise ValueError("CONNECT needs a port: CONNECT host:port.")
    return HostAndPort(host, port or default)


def forwarded_headers(headers: Headers) -> Headers:
    """Return the headers that go on: none of the connection, and none that it names as its own."""
    named = {
        name.strip().lower()
        for key, value in headers
        if key == b"connection"
        for name in value.split(b",")
    } - {b"content-length", b"transfer-encoding"}
    return [
        (key, value) for key, value in headers if key not in _NOT_FORWARDED and key not in named
    ]
