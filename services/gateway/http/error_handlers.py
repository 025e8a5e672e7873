"""Every failure of a request, as a problem."""

from http import HTTPStatus
from typing import Any

from litestar import Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap
from msgspec.structs import replace

from events.protocol.problem import MEDIA_TYPE, Fault, Problem
from infra.runtime.telemetry import logger
from services.gateway.http.request_checks import AnyRequest
from services.gateway.http.response_middleware import RequestAborted
from services.gateway.problems import Refused, problem

_log = logger(__name__)

_SAID: dict[int, tuple[str, str]] = {
    400: ("bad_request", "The request is not well-formed."),
    401: ("unauthenticated", "This needs a session token."),
    404: ("not_found", "There is nothing at this address. The API is described at /docs."),
    405: ("method_not_allowed", "This address does not take this method; see /docs."),
    413: (
        "body_too_large",
        (
            "The body is larger than 256 KiB. A prompt may have 64 KiB: put long material into a "
            "file of the repository and name it in the prompt."
        ),
    ),
    415: ("unsupported_media_type", "Send JSON: `Content-Type: application/json`."),
}


def on_refused(request: AnyRequest, error: Refused) -> Response[Problem]:
    """Answer what a route refused."""
    headers: dict[str, str] = {}
    if error.problem.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after_seconds:
        headers["Retry-After"] = str(error.retry_after_seconds)
    if error.instead:
        headers["Link"] = f'<{error.instead}>; rel="latest-version"'  # RFC 5829
    return _answer(request, error.problem, headers)


def on_http_exception(request: AnyRequest, error: HTTPException) -> Response[Problem]:
    """Answer what the framework refused: no such address, method, parameter, body."""
    headers = dict(error.headers or {})
    if isinstance(error, ValidationException):
        faults = _faults(error.extra)
        wrong = "; ".join(f"{fault.pointer}: {fault.detail}" for fault in faults)
        detail = f"The request is not as expected: {wrong or error.detail}. See /docs."
        return _answer(request, problem(422, "invalid_request", detail, errors=faults), headers)
    if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return on_bug(request, error)
    code, detail = _SAID.get(error.status_code, ("refused", error.detail))
    if error.status_code == HTTPStatus.BAD_REQUEST:
        detail = f"{detail} {error.detail}"
    return _answer(request, problem(error.status_code, code, detail), headers)


def on_too_deep(request: AnyRequest, _: RecursionError) -> Response[Problem]:
    """Answer a body nested beyond reason."""
    return _answer(request, problem(400, "too_deep", "The body is nested too deeply."), {})


def on_cut_short(request: AnyRequest, _: RequestAborted) -> Response[Problem]:
    """Answer a body whose sender went away; hardly anybody is there to read it."""
    said = problem(400, "body_cut_short", "The body ended too early, or came too slowly.")
    return _answer(request, said, {"Connection": "close"})


def on_bug(request: AnyRequest, error: Exception) -> Response[Problem]:
    """Answer a failure of ours, and log it."""
    _log.error("request.failed", path=request.url.path, exc_info=error)
    said = problem(
        500,
        "internal_error",
        "Something of ours broke; it is logged under the request id. Sending the request again "
        "with the same Idempotency-Key is safe.",
        retryable=True,
    )
    return _answer(request, said, {})


def error_handlers() -> ExceptionHandlersMap:
    """Return the handlers of every kind of failure."""
    return {
        Refused: on_refused,
        HTTPException: on_http_exception,
        RequestAborted: on_cut_short,
        RecursionError: on_too_deep,
        Exception: on_bug,
    }


def _answer(request: AnyRequest, said: Problem, headers: dict[str, str]) -> Response[Problem]:
    request_id = request.scope.get("request_id", "")
    return Response(
        replace(said, request_id=str(request_id)),
        status_code=said.status,
        media_type=MEDIA_TYPE,
        headers={**headers, "Cache-Control": "no-store"},
    )


def _faults(extra: Any) -> tuple[Fault, ...]:  # noqa: ANN401 - the framework's own shape
    entries = extra if isinstance(extra, list) else []
    return tuple(
        Fault("/" + str(entry.get("key", "")).replace(".", "/"), str(entry.get("message", "")))
        for entry in entries
        if isinstance(entry, dict)
    )
