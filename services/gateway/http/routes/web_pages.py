"""Routes of the gateway's own pages: signing in while the web app is not built, and problems."""

import re
from collections.abc import Sequence
from html import escape

from litestar import MediaType, Response, get
from litestar.datastructures import Cookie
from litestar.handlers import HTTPRouteHandler

from events.protocol.problem import Problem
from services.gateway.http.browser.html_pages import page_headers, read_page


def pair_page(public_url: str) -> HTTPRouteHandler:
    """Make the route of /pair and of the address in mails; opening either signs nobody in.

    Where the web app is built it answers both addresses itself (`browser.web_app`).
    """
    html = read_page("pair.html")
    socket = re.sub(r"^http", "ws", public_url.rstrip("/"))
    headers = {**page_headers(html, connect=f"'self' {socket}"), "Cache-Control": "no-cache"}

    @get(["/pair", "/sign-in/mail"], include_in_schema=False, sync_to_thread=False)
    def pair() -> Response[str]:
        return Response(html, media_type=MediaType.HTML, headers=headers)

    return pair


def trouble_page(problem: Problem, *, cookies: Sequence[Cookie] = ()) -> Response[str]:
    """Show a problem to a person whose browser was sent here."""
    html = read_page("trouble.html")
    headers = {**page_headers(html, connect="'none'"), "Cache-Control": "no-store"}
    shown = html.replace("{{detail}}", escape(problem.detail))
    return Response(
        shown,
        status_code=problem.status,
        media_type=MediaType.HTML,
        headers=headers,
        cookies=list(cookies),
    )
