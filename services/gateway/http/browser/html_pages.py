"""The gateway's own pages: one file each, nothing from elsewhere, with a policy that says so."""

import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from typing import Final

_INLINE: Final = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


def read_page(name: str) -> str:
    """Return the HTML of a page."""
    return (files("services.gateway.http.pages") / name).read_text()


def page_headers(html: str, *, connect: str) -> dict[str, str]:
    """Return the headers of a page; its policy allows its own script and style by digest."""
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
