"""A page of the gateway's own, for a person whose browser was sent to a route of the API."""

from collections.abc import Sequence
from html import escape

from litestar import MediaType, Response
from litestar.datastructures import Cookie

from events.protocol.problem import Problem
from services.gateway.http.browser.html_pages import page_headers, read_page


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
