"""The pages a phone opens: one file each, nothing from elsewhere, text only."""

import re
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files

from litestar import MediaType, Response, get
from litestar.datastructures import Cookie
from litestar.handlers import HTTPRouteHandler

from events.protocol.problem import Problem

_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


def pair_page(public_url: str) -> HTTPRouteHandler:
    """Make the route of /pair and of the address in mails; opening either signs nobody in.

    Its policy allows the page's own script and style by digest.
    """
    html = _page("pair.html")
    socket = re.sub(r"^http", "ws", public_url.rstrip("/"))
    headers = {**_headers(html, connect=f"'self' {socket}"), "Cache-Control": "no-cache"}

    @get(["/pair", "/sign-in/mail"], include_in_schema=False, sync_to_thread=False)
    def pair() -> Response[str]:
        return Response(html, media_type=MediaType.HTML, headers=headers)

    return pair


def trouble_page(problem: Problem, *, cookies: Sequence[Cookie] = ()) -> Response[str]:
    """Show a problem to a person whose browser was sent here."""
    html = _page("trouble.html")
    headers = {**_headers(html, connect="'none'"), "Cache-Control": "no-store"}
    shown = html.replace("{{detail}}", escape(problem.detail))
    return Response(
        shown,
        status_code=problem.status,
        media_type=MediaType.HTML,
        headers=headers,
        cookies=list(cookies),
    )


def _page(name: str) -> str:
    return (files("services.gateway.http.pages") / name).read_text()


def _headers(html: str, *, connect: str) -> dict[str, str]:
    digests = {"script": "", "style": ""}
    for kind, content in _INLINE.findall(html):
        digest = b64encode(sha256(content.encode()).digest()).decode()
        digests[kind] += f" 'sha256-{digest}'"
    none = " 'none'"
    policy = (
        f"default-src 'none'; script-src{digests['script'] or none}; "
        f"style-src{digests['style']}; connect-src {connect}; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
