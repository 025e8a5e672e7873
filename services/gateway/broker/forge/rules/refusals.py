"""Classification of a forge's error responses: a stable code per kind. Pure.

Sources: GitHub REST, "Troubleshooting the REST API" and "Pulls"; GitLab REST, "Merge requests".
"""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from events.protocol.broker import FORGE_RATE_LIMITED, PULL_REQUEST_EMPTY

_MAX_CHARACTERS: Final = 400
_MEANINGS: Final[tuple[tuple[str, str, int], ...]] = (
    (r"rate limit|abuse detection|too many requests", FORGE_RATE_LIMITED, 503),
    (r"archived|read-only", "repository_archived", 403),
    (r"(pull|open merge) request already exists", "pull_request_exists", 422),
    (r"no commits between", PULL_REQUEST_EMPTY, 422),
    (r"no history in common", "pull_request_unrelated", 422),
    (r"\bbase\b.*\binvalid\b|branch not found", "base_not_found", 422),
    (r"target[ _]branch.*(does not exist|invalid)", "base_not_found", 422),
    (r"too long|too_long|maximum is \d+", "pull_request_text_refused", 422),
    (r"title.*(missing|blank|empty)", "pull_request_text_refused", 422),
    (r"not accessible by|must have .*(access|permission)", "forge_permission", 403),
    (r"insufficient.scope|saml|single sign-on|ip allow ?list", "forge_permission", 403),
)


class ForgeRefusal(NamedTuple):
    """A classified error: the status, a stable code, the forge's own words."""

    status: int
    code: str
    words: str
    retry_after_seconds: int = 0


def refusal_of(status: int, headers: Mapping[str, str], content: bytes) -> ForgeRefusal:
    """Classify an error response of a forge."""
    words = _words(status, headers, content)
    if headers.get("x-ratelimit-remaining") == "0" or status == 429:  # noqa: PLR2004 - Too Many Requests
        return ForgeRefusal(503, FORGE_RATE_LIMITED, words, _retry_after(headers))
    if 400 <= status < 500:  # noqa: PLR2004 - client errors
        for pattern, code, code_status in _MEANINGS:
            if re.search(pattern, words, re.IGNORECASE | re.DOTALL):
                wait = _retry_after(headers) if code_status >= 500 else 0  # noqa: PLR2004 - server errors
                return ForgeRefusal(code_status, code, words, wait)
    match status:
        case 404 | 410 | 301:
            return ForgeRefusal(404, "repository_not_found", words)
        case 401:
            return ForgeRefusal(403, "repository_refused", words)
        case 403:
            return ForgeRefusal(403, "forge_permission", words)
        case 400 | 405 | 409 | 412 | 422:
            return ForgeRefusal(422, "forge_refused", words)
        case _:
            return ForgeRefusal(503, "unavailable", words)


def existing_number(words: str) -> int | None:
    """Return the number of the merge request that is open already, from GitLab's error."""
    found = re.search(r"already exists.*!(\d{1,9})", words, re.DOTALL)
    return int(found.group(1)) if found else None


def _retry_after(headers: Mapping[str, str]) -> int:
    text = headers.get("retry-after", "")
    return min(int(text[:9]), 3600) if text.isascii() and text.isdigit() else 60


def _words(status: int, headers: Mapping[str, str], content: bytes) -> str:
    """Return the forge's own words in an error; of a web page only that it is one."""
    if "html" in headers.get("content-type", "") or content.lstrip()[:1] == b"<":
        return f"a proxy answered with an HTML page ({status})"
    try:
        body = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return f"status {status}"
    if not isinstance(body, dict):
        return f"status {status}"
    said = [*_texts(body.get("message") or body.get("error")), *_texts(body.get("errors"))]
    text = " ".join("; ".join(dict.fromkeys(said)).split()) or f"status {status}"
    return text if len(text) <= _MAX_CHARACTERS else f"{text[: _MAX_CHARACTERS - 1]}…"


def _texts(value: Any) -> list[str]:  # noqa: ANN401 - the forge's JSON
    """Flatten a forge's error field: texts, lists, or fields with their errors."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for each in value[:20] for text in _texts(each)]
    if not isinstance(value, dict):
        return []
    if isinstance(value.get("message"), str):
        return [value["message"]]
    if isinstance(value.get("field"), str):
        return [f"{value['field']} {value.get('code', 'is refused')}"]
    return [f"{name} {text}" for name, each in value.items() for text in _texts(each)]
