"""Errors of the API: statuses, types and bodies as the real one's."""

from collections.abc import Mapping

import msgspec

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class Refused(Exception):
    """The request is answered with an error: HTTP status, message, and headers to add."""

    def __init__(
        self, status: int, message: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


def error_body(status: int, message: str, request_id: str) -> dict[str, object]:
    """Encode an error as the Messages API does; an unknown status counts as api_error."""
    return {
        "type": "error",
        "error": {"type": TYPES.get(status, "api_error"), "message": message},
        "request_id": request_id,
    }


def invalid(where: str, message: str) -> Refused:
    """Refuse a request (400) for what stands at `where`, a dotted path such as messages.0.role."""
    return Refused(400, f"{where}: {message}")


def misshapen(error: msgspec.ValidationError) -> Refused:
    """Translate msgspec's complaint into the API's manner: dotted path, colon, reason."""
    text, _, path = str(error).partition(" - at `")
    where = path.rstrip("`").removeprefix("$").strip(".")
    where = where.replace("[...]", "").replace("[", ".").replace("]", "").strip(".")
    for start, reason in (
        ("Object contains unknown field `", "Extra inputs are not permitted"),
        ("Object missing required field `", "Field required"),
    ):
        if text.startswith(start):
            field = text.removeprefix(start).rstrip("`")
            return invalid(f"{where}.{field}".strip("."), reason)
    return invalid(where or "body", text)
