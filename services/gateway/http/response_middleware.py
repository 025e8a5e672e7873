"""Middleware for every answer of the routes: validators, compression, and security headers.

Raw ASGI 3, between the edge and the routes. An answer that is known whole gets an ETag and is
compressed as the caller accepts; one that is streamed (server-sent events, artifacts, what the
broker passes on) goes through as it comes. RFC 9110 §8.8.3, §12.5.3, §13.1.2.
"""

import asyncio
import gzip
import re
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Final

import zstandard

from services.gateway.http.asgi import Application, Message, Receive, Scope, Send

Headers = list[tuple[bytes, bytes]]

_MIN_BYTES: Final = 1024
_INLINE_BYTES: Final = 16 * 1024  # more is compressed beside the event loop
_KEPT_FROM_BODY: Final = frozenset({b"content-length", b"content-type", b"content-encoding"})
_CODING: Final = re.compile(r"\s*([\w*-]+)\s*(?:;\s*q\s*=\s*([0-9.]+))?\s*", re.ASCII)
_CAREFUL: Final[Headers] = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]
STRICT_TRANSPORT: Final = "max-age=31536000; includeSubDomains"
_SECURE: Final = (b"strict-transport-security", STRICT_TRANSPORT.encode())


class RequestAborted(Exception):
    """The caller went away in the middle of its body, or sent no more of it for too long."""


class ResponseMiddleware:
    """The routes, with what their answers have in common.

    Without `shapes_reads` no answer is compressed, and none gets an ETag.
    """

    def __init__(
        self,
        routes: Application,
        *,
        is_https: bool,
        shapes_reads: bool = True,
        body_seconds: float,
        body_bytes_per_second: float,
    ) -> None:
        self._routes = routes
        self._shapes_reads = shapes_reads
        self._body_seconds = body_seconds
        self._body_bytes_per_second = body_bytes_per_second
        self._careful = [*_CAREFUL, _SECURE] if is_https else _CAREFUL

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        asked = {name: value.decode("latin-1") for name, value in scope["headers"]}
        is_read = self._shapes_reads and scope["method"] == "GET"
        begun: list[Message] = []
        is_whole = has_begun = False
        due_at = asyncio.get_running_loop().time() + self._body_seconds

        async def received() -> Message:
            nonlocal is_whole, due_at
            try:
                async with asyncio.timeout_at(None if is_whole or has_begun else due_at):
                    message = await receive()
            except TimeoutError:
                raise RequestAborted from None
            if message["type"] == "http.disconnect" and not is_whole and not has_begun:
                raise RequestAborted
            is_whole = not message.get("more_body", False)
            due_at += len(message.get("body", b"")) / self._body_bytes_per_second
            return message

        async def shaped(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            if message["type"] == "http.response.start":
                limits: Headers = scope.get("limits", [])
                message["headers"] = _with([*message["headers"], *limits], self._careful)
                begun.append(message)
                return
            if begun and is_read and not message.get("more_body", False):
                await _whole(asked, begun[0], message)
            while begun:
                await send(begun.pop())
            await send(message)

        await self._routes(scope, received, shaped)


async def _whole(asked: dict[bytes, str], start: Message, body: Message) -> None:
    """Shape an answer that is known whole: 304, or compressed, or as it is."""
    headers: Headers = start["headers"]
    content: bytes = body.get("body", b"")
    if start["status"] != 200 or not _is_text(headers):  # noqa: PLR2004 - RFC 9110
        return
    tag = f'W/"{sha256(content).hexdigest()[:32]}"'
    headers = _with(headers, [(b"cache-control", b"private, no-cache")])
    headers += [(b"etag", tag.encode()), (b"vary", b"Accept, Accept-Encoding, Authorization")]
    if matches_tag(asked.get(b"if-none-match", ""), tag):
        start["status"] = 304
        start["headers"] = [pair for pair in headers if pair[0].lower() not in _KEPT_FROM_BODY]
        body["body"] = b""
        return
    coding = accepted(asked.get(b"accept-encoding", ""))
    if coding and len(content) >= _MIN_BYTES:
        if len(content) > _INLINE_BYTES:
            content = await asyncio.to_thread(_compressed, content, coding)
        else:
            content = _compressed(content, coding)
        headers = [pair for pair in headers if pair[0].lower() != b"content-length"]
        headers += [
            (b"content-encoding", coding.encode()),
            (b"content-length", str(len(content)).encode()),
        ]
    start["headers"] = headers
    body["body"] = content


def accepted(accept_encoding: str, offered: Sequence[str] = ("zstd", "gzip")) -> str:
    """Choose a content coding, or empty for none. Of equal weight, the first offered. Pure."""
    weights = dict(_weights(accept_encoding))
    others = weights.get("*", 0.0)
    best = max(offered, key=lambda coding: weights.get(coding, others), default="")
    return best if best and weights.get(best, others) > 0 else ""


def _weights(accept_encoding: str) -> Iterator[tuple[str, float]]:
    for part in accept_encoding.lower().split(","):
        found = _CODING.fullmatch(part)
        if found is not None:
            try:
                yield found[1], float(found[2] or 1)
            except ValueError:
                continue  # a weight such as 1.2.3


def _compressed(content: bytes, coding: str) -> bytes:
    if coding == "zstd":
        return zstandard.ZstdCompressor(level=3).compress(content)
    return gzip.compress(content, compresslevel=4, mtime=0)


def matches_tag(if_none_match: str, tag: str) -> bool:
    """Compare weakly, as a read is compared (RFC 9110 §13.1.2)."""
    given = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    return "*" in given or tag.removeprefix("W/") in given


def _is_text(headers: Headers) -> bool:
    kinds = [value for name, value in headers if name.lower() == b"content-type"]
    return any(
        kind.startswith((b"application/json", b"text/html", b"application/vnd.")) for kind in kinds
    )


def _with(headers: Headers, defaults: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Add those that the answer has not set itself."""
    known = {name.lower() for name, _ in headers}
    return [*headers, *(pair for pair in defaults if pair[0] not in known)]
