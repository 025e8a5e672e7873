"""The pages that may connect to the stream, by their origin.

A browser sends the page's origin (RFC 6454) and lets no page lie about it; what is no browser
sends none. So another site cannot make a person's browser connect in its name.
"""

from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

_PORTS: Final = {"http": 80, "https": 443}
_LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")


def origin_allowed(origin: str | None, allowed: Collection[str]) -> bool:
    """Return whether a request with this Origin header (None: without one) may go on.

    `allowed` are origins as `origins` makes them. "null" (a sandboxed frame, a file) never is.
    """
    return origin is None or _plain(origin) in allowed


def origins(public_url: str, more: str = "") -> frozenset[str]:
    """Make the list of allowed origins: the operator's own, and those of a comma-separated text.

    For a server on this machine alone, every name of this machine is its own.
    """
    urls = [public_url, *filter(None, (part.strip() for part in more.split(",")))]
    parts = urlsplit(public_url)
    if parts.hostname in ("localhost", "127.0.0.1", "::1"):
        port = f":{parts.port}" if parts.port else ""
        urls += [f"{parts.scheme}://{name}{port}" for name in _LOOPBACK]
    return frozenset(filter(None, map(_plain, urls)))


def _plain(url: str) -> str:
    """Return an origin's normal form: lower case, no path, no default port; "" if it is none."""
    try:
        parts = urlsplit(url.strip().lower())
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    is_usual = port in (None, _PORTS[parts.scheme])
    return f"{parts.scheme}://{host}" + ("" if is_usual else f":{port}")
