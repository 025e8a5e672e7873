"""Check that a request with a cookie comes from the app's own page.

A browser sends an installation's cookies with requests that other pages make too: SameSite keeps
away those of other sites, and this check those of another port, a sibling domain, a sandboxed frame
(`Origin: null`) or a name that was pointed at this server (DNS rebinding). A browser lets no page
choose `Origin` or `Sec-Fetch-Site`.
"""

from collections.abc import Collection, Mapping
from functools import cache
from typing import Final

from services.gateway.http.browser.allowed_origins import origin_allowed, origins
from services.gateway.http.context import GatewayContext
from services.gateway.http.request_checks import AnyRequest
from services.gateway.problems import refused

_READS: Final = ("GET", "HEAD", "OPTIONS")


def require_same_origin(request: AnyRequest, context: GatewayContext) -> None:
    """Refuse a request with a cookie that another page made. Raises Refused (403)."""
    own = _own_origins(context.public_url)
    is_read = request.method in _READS
    if not is_same_origin(request.headers, own=own, also=context.allowed_origins, is_read=is_read):
        raise refused(
            403,
            "cross_origin",
            "The session cookie is taken only from the app's own pages, and this request came from "
            f"{request.headers.get('origin') or 'a page that is not named'}. Open the app at "
            f"{context.public_url}; an address of this server beside it must be listed in "
            "ALLOWED_ORIGINS. A program sends `Authorization: Bearer <token>`.",
        )


def is_same_origin(
    headers: Mapping[str, str], *, own: Collection[str], also: Collection[str], is_read: bool
) -> bool:
    """Return whether headers are those of a request by a page of this server. Pure.

    `own` are the origins of its public URL; `also` others by which it may be reached: those must be
    the very `Host` of the request. What changes something must say where it comes from.
    """
    site = headers.get("sec-fetch-site")
    if site is not None and site != "same-origin" and not (is_read and site == "none"):
        return False
    origin = headers.get("origin")
    if origin is None:
        return is_read or site == "same-origin"
    if origin_allowed(origin, own):
        return True
    return origin_allowed(origin, also) and origin.partition("://")[2] == headers.get("host")


@cache
def _own_origins(public_url: str) -> frozenset[str]:
    return origins(public_url)
