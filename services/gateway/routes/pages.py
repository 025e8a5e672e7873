"""The page a phone opens: one file, nothing from elsewhere, text only."""

import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler

_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


def pair_page(public_url: str) -> HTTPRouteHandler:
    """Make the route of /pair. Its policy allows the page's own script and style by digest."""
    html = (files("services.gateway.pages") / "pair.html").read_text()
    headers = {
        "Content-Security-Policy": _policy(html, public_url),
        "Cache-Control": "no-cache",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }

    @get("/pair", include_in_schema=False, sync_to_thread=False)
    def pair() -> Response[str]:
        return Response(html, media_type=MediaType.HTML, headers=headers)

    return pair


def _policy(html: str, public_url: str) -> str:
    digests = {"script": "", "style": ""}
    for kind, content in _INLINE.findall(html):
        digest = b64encode(sha256(content.encode()).digest()).decode()
        digests[kind] += f" 'sha256-{digest}'"
    socket = re.sub(r"^http", "ws", public_url.rstrip("/"))
    return (
        f"default-src 'none'; script-src{digests['script']}; style-src{digests['style']}; "
        f"connect-src 'self' {socket}; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
