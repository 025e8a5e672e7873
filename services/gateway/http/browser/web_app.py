"""Middleware that serves the web app at every address that is no route of the gateway's own.

Raw ASGI 3, before the routes. Its pages are one file, `index.html`, which reads the address itself.
"""

import asyncio
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Final

from services.gateway.accounts.assembly import CALLBACK
from services.gateway.http.asgi import Application, Receive, Scope, Send
from services.gateway.http.browser.html_pages import page_headers, read_page
from services.gateway.http.browser.web_app_files import (
    CODINGS,
    INDEX,
    MEDIA_TYPES,
    NOT_BUILT,
    Build,
    WebAppFile,
    build_stamp,
    read_build,
)
from services.gateway.http.response_middleware import STRICT_TRANSPORT, accepted, matches_tag

_ROUTES: Final = ("/v1", "/docs", "/health", "/broker", CALLBACK)
_ASSETS: Final = ("/assets/", "/icons/")
_FOREVER: Final = "public, max-age=31536000, immutable"  # the name has the content's hash in it
_CHECKED_EACH_TIME: Final = "no-cache"
_POWERFUL: Final = (
    *("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "hid"),
    *("magnetometer", "microphone", "midi", "payment", "serial", "usb", "xr-spatial-tracking"),
)


class WebApp:
    """The routes, and the web app beside them. `folder` is where the build wrote it."""

    def __init__(self, routes: Application, *, folder: Path, public_url: str) -> None:
        self._routes = routes
        self._folder = folder
        self._headers = _headers(public_url)
        self._stamp: tuple[int, ...] = ()
        self._build = NOT_BUILT
        self._reading = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path = scope["path"]
        if scope["method"] not in ("GET", "HEAD") or is_route(path):
            await self._routes(scope, receive, send)
            return
        asked = {name: value.decode("latin-1") for name, value in scope["headers"]}
        build = await self._newest()
        is_page = _is_page(path, asked)
        found = build.get(INDEX if is_page or path == "/" else path)
        if found is not None:
            await self._answer(scope, send, found, asked)
        elif build is NOT_BUILT and is_page:
            await _answer_not_built(scope, send)
        else:
            await self._routes(scope, receive, send)

    async def _newest(self) -> Build:
        """Return the files; those of a newer build as soon as it is written."""
        async with self._reading:
            stamp = build_stamp(self._folder)
            if stamp != self._stamp:
                self._build = await asyncio.to_thread(read_build, self._folder)
                self._stamp = stamp
            return self._build

    async def _answer(
        self, scope: Scope, send: Send, found: WebAppFile, asked: Mapping[bytes, str]
    ) -> None:
        is_forever = scope["path"].startswith("/assets/")
        offered = [coding for coding in CODINGS if coding in found.content]
        coding = accepted(asked.get(b"accept-encoding", ""), offered)
        headers = {
            **self._headers,
            "Cache-Control": _FOREVER if is_forever else _CHECKED_EACH_TIME,
            "ETag": found.tag,
            "Vary": "Accept-Encoding",
        }
        if matches_tag(asked.get(b"if-none-match", ""), found.tag):
            await _send(scope, send, 304, headers)
            return
        headers["Content-Type"] = found.media_type
        if coding:
            headers["Content-Encoding"] = coding
        await _send(scope, send, 200, headers, found.content[coding])


def web_app_folder(setting: str) -> Path:
    """Return the folder of the build: the setting, or `clients/web/dist` beside `services`.

    There it is in a checkout, in the image and in an installed package alike.
    """
    if setting:
        return Path(setting)
    return Path(str(files("services.gateway"))).parents[1] / "clients" / "web" / "dist"


def is_route(path: str) -> bool:
    """Return whether an address is of the API, its documentation or a probe, and no page. Pure."""
    return any(path == route or path.startswith(f"{route}/") for route in _ROUTES)


def _is_page(path: str, asked: Mapping[bytes, str]) -> bool:
    """Return whether a browser asks for a page, and not for a file that is not there."""
    is_file = path.startswith(_ASSETS) or PurePosixPath(path).suffix in MEDIA_TYPES
    return not is_file and "text/html" in asked.get(b"accept", "")


def _headers(public_url: str) -> dict[str, str]:
    socket = re.sub(r"^http", "ws", public_url.rstrip("/"))
    policy = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",  # pictures that were picked, before they are sent
        f"connect-src 'self' {socket}",
        "manifest-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types errand",  # the one policy, which makes the service worker's address
    )
    headers = {
        "Content-Security-Policy": "; ".join(policy),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": ", ".join(f"{name}=()" for name in _POWERFUL),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
    if public_url.startswith("https:"):
        headers["Strict-Transport-Security"] = STRICT_TRANSPORT
    return headers


async def _answer_not_built(scope: Scope, send: Send) -> None:
    html = read_page("not_built.html")
    headers = {
        **page_headers(html, connect="'none'"),
        "Content-Type": MEDIA_TYPES[".html"],
        "Cache-Control": "no-store",
    }
    await _send(scope, send, 503, headers, html.encode())


async def _send(
    scope: Scope, send: Send, status: int, headers: Mapping[str, str], *body: bytes
) -> None:
    content = b"".join(body)
    lines = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    if body:
        lines.append((b"content-length", str(len(content)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": lines})
    shown = b"" if scope["method"] == "HEAD" else content
    await send({"type": "http.response.body", "body": shown})
