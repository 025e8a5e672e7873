"""Meaning of an error of the model's API, by its words and codes, and only then its status.

Anybody may stand between the gateway and the API, so nothing is taken for granted: the body may be
a web page, JSON of another shape, or nothing. Source: the Messages API, "Errors".
"""

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple

from services.worker.agent.failures.model_errors import Kind, ModelError

MAX_DETAIL_CHARACTERS: Final = 400

_OVERLOADED: Final = 529
_RETRYABLE: Final = frozenset({408, 409, 425})
_STATUSES: Final[dict[int, Kind]] = {
    401: "key_refused",
    402: "out_of_credit",
    403: "permission_refused",
    404: "model_unknown",
    413: "request_too_large",
    429: "rate_limited",
    _OVERLOADED: "overloaded",
}
_TYPES: Final[dict[str, Kind]] = {
    "overloaded_error": "overloaded",
    "rate_limit_error": "rate_limited",
    "authentication_error": "key_refused",
    "permission_error": "permission_refused",
    "billing_error": "out_of_credit",
    "not_found_error": "model_unknown",
    "request_too_large": "request_too_large",
    "invalid_request_error": "request_refused",
    "api_error": "server_error",
    "timeout_error": "server_error",
}
_CODES: Final[dict[str, Kind]] = {
    "switched_off": "switched_off",
    "model_not_allowed": "model_unknown",
    "contract_spend_limit_reached": "out_of_credit",
    "enforced_spend_limit_reached": "out_of_credit",
    "credit_balance_too_low": "out_of_credit",
    "context_length_exceeded": "context_full",
}
# Only of a refusal (4xx): what a server that failed writes is not its reason.
_MEANINGS: Final[tuple[tuple[str, Kind], ...]] = (
    (r"credit balance|insufficient (credit|fund|quota|balance)|usage limits?\b", "out_of_credit"),
    (r"spend(ing)? limit|billing|payment required", "out_of_credit"),
    (r"prompt is too long|context (window|length|limit)|maximum context", "context_full"),
    (r"too many (input )?tokens|input is too long", "context_full"),
    (r"content filter|blocked by|usage policy", "content_filtered"),
    (
        r"\bmodel\b.*(not found|not exist|unknown|invalid|not (available|supported))",
        "model_unknown",
    ),
    (r"(invalid|unknown|unsupported|no such) model\b|^model: ", "model_unknown"),
    (r"(request|payload|body)\b.*(too large|exceeds the maximum size)", "request_too_large"),
)
_PAGE: Final = re.compile(r"\s*(<!doctype|<html|<head|<\?xml|<body)", re.IGNORECASE)
_RESET: Final = re.compile(r"anthropic-ratelimit-(requests|tokens|input-tokens|output-tokens)-")


class ErrorResponse(NamedTuple):
    """An answer that is no reply: its status, its headers (lower case) and its body as text."""

    status: int
    headers: Mapping[str, str]
    body: str


def model_error_of(refusal: ErrorResponse) -> ModelError:
    """Name what an error answer means, in words that fit an event."""
    request = refusal.headers.get("request-id", "")
    named = f" (request {short(request, 100)})" if request else ""
    if is_page(refusal):
        return _page(refusal.status)
    error = _error(refusal.body)
    said = error.message or refusal.body or "nothing"
    return ModelError(
        _kind(refusal.status, error),
        f"The model answered {refusal.status}{named}: {short(said)}",
        retry_after_seconds(refusal.headers),
    )


def stream_error(data: Mapping[str, Any]) -> ModelError:
    """Name what an `error` event in the middle of a stream means."""
    error = _fields(data)
    kind = _kind(0, error)
    return ModelError(
        kind, f"The model broke off ({error.type or 'error'}): {short(error.message)}"
    )


def is_page(refusal: ErrorResponse) -> bool:
    """Return whether the answer is a web page: it comes from a proxy, not from the API."""
    return "html" in refusal.headers.get("content-type", "").lower() or bool(
        _PAGE.match(refusal.body)
    )


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Return when to come back, where the server names a usable time; None otherwise.

    A date is compared with the answer's own date, so that no two clocks are compared.
    """
    for name, unit_seconds in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "")
        seconds = _seconds(text)
        if seconds is not None:
            return seconds * unit_seconds
        if name == "retry-after" and text:
            return _between(headers.get("date", ""), text)
    return _reset_seconds(headers)


def short(text: str, limit_characters: int = MAX_DETAIL_CHARACTERS) -> str:
    """Return a text on one line, without control characters, cut with a mark."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[:20_000]).split())
    return line if len(line) <= limit_characters else f"{line[: limit_characters - 1].rstrip()}…"


class _Error(NamedTuple):
    type: str = ""
    code: str = ""
    message: str = ""


def _kind(status: int, error: _Error) -> Kind:
    """Codes are the API's own names; then what it says, if the status is a refusal's."""
    if error.code in _CODES:
        return _CODES[error.code]
    plain = _STATUSES.get(status) or _TYPES.get(error.type)
    if plain is None:
        is_ours = 400 <= status < 500 and status not in _RETRYABLE  # noqa: PLR2004 - client errors
        plain = "request_refused" if is_ours else "server_error"
    if plain == "rate_limited":
        spent = re.search(r"usage limits|spend(ing)? limit|insufficient_quota", error.message)
        return "out_of_credit" if spent else plain
    if plain in ("request_refused", "permission_refused", "model_unknown"):
        for pattern, kind in _MEANINGS:
            if re.search(pattern, error.message, re.IGNORECASE):
                return kind
    if plain == "model_unknown" and "model" not in error.message.lower():
        return "request_refused"
    return plain


def _page(status: int) -> ModelError:
    is_refusal = 400 <= status < 500 and status not in {*_RETRYABLE, 429}  # noqa: PLR2004 - client errors
    kind: Kind = "proxy_refused" if is_refusal or status < 400 else "server_error"  # noqa: PLR2004 - a page instead of a reply
    return ModelError(
        kind, f"Not the model but a proxy in between answered, with an HTML page ({status})."
    )


def _error(body: str) -> _Error:
    try:
        decoded = json.loads(body)
    except (ValueError, RecursionError):
        return _Error()
    return _fields(decoded)


def _fields(body: object) -> _Error:
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, str):
        return _Error(message=error)
    if not isinstance(error, dict):
        message = body.get("message") or body.get("detail") if isinstance(body, dict) else ""
        return _Error(message=message if isinstance(message, str) else "")
    details = error.get("details")
    code = details.get("error_code") if isinstance(details, dict) else error.get("code")
    return _Error(
        *(
            each if isinstance(each, str) else ""
            for each in (error.get("type"), code, error.get("message"))
        )
    )


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _reset_seconds(headers: Mapping[str, str]) -> float | None:
    """Return when the last of the limits that are used up is full again."""
    waits = [
        wait
        for name in headers
        if _RESET.match(name) and name.endswith("-reset")
        if headers.get(name.removesuffix("reset") + "remaining", "").strip() == "0"
        if (wait := _between(headers.get("date", ""), headers[name])) is not None
    ]
    return max(waits, default=None)


def _between(date: str, then: str) -> float | None:
    begin, end = _moment(date), _moment(then)
    if begin is None or end is None or end < begin:
        return None
    return (end - begin).total_seconds()


def _moment(text: str) -> datetime | None:
    """Read an HTTP date or an RFC 3339 one."""
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(text.replace("Z", "+00:00") if read is datetime.fromisoformat else text)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None
