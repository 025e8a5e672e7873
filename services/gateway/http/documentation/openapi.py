"""The API's description (OpenAPI 3.1), exact: every status, shape and header a route can answer.

The framework describes parameters and successes. The shapes are msgspec's own account of the
structs that are read and written; the refusals follow from what a route takes. What does not
follow a route says itself, in its `opt`: `answers`, further statuses; `content`, the media types it
sends where that is not JSON, each with its schema; `ranges`, true where Range is followed.
"""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final, get_args

import msgspec
from litestar.handlers import HTTPRouteHandler

from events.protocol.problem import MEDIA_TYPE, Problem
from services.gateway.http.request_checks import TAKES
from services.gateway.problems import problem

Json = dict[str, Any]

EXAMPLES: Final[Mapping[str, Json]] = {
    "AnswerRequest": {"text": "The second one."},
    "BudgetRaiseRequest": {"cost_microusd": 2_000_000},
    "CancelRequest": {"reason": "No longer needed."},
    "ForkRequest": {"at": 212, "prompt": "Keep the old parser and fix only the time zone."},
    "InstructionRequest": {"text": "Also mention it in the changelog.", "mode": "steer"},
    "TaskRequest": {
        "prompt": "The date of an invoice is off by one day in winter. Find out why and fix it.",
        "repository": {"url": "https://github.com/ada/app", "base": "main"},
        "budget": {"cost_microusd": 5_000_000},
    },
}
_SAID: Final[Mapping[int, tuple[str, str]]] = {
    400: ("bad_request", "Not well-formed, not UTF-8, or a header is missing."),
    401: ("unauthenticated", "Nobody known asks."),
    403: ("refused", "Known, and still not allowed."),
    404: ("not_found", "Not there, or not yours."),
    409: ("conflict", "Overtaken by what happened meanwhile."),
    410: ("position_lost", "The history has no such place. `Link` leads to what to read instead."),
    413: ("body_too_large", "Longer than this route takes."),
    415: ("unsupported_media_type", "Not of a media type that this route takes."),
    416: ("range_not_satisfiable", "There are no such bytes."),
    422: ("invalid_request", "A value is not allowed; `errors` point at it."),
    429: ("too_many_requests", "Too often. `Retry-After` tells when to go on."),
    503: ("unavailable", "A part does not answer. The same request may succeed later."),
}
_REF: Final = "#/components/schemas/{name}"
_TEXT: Final[Json] = {"schema": {"type": "string"}}
_LIMITS: Final[Json] = {
    "RateLimit": {"description": "What is left (draft-ietf-httpapi-ratelimit-headers).", **_TEXT},
    "RateLimit-Policy": {"description": "How much is allowed in how many seconds.", **_TEXT},
}
_RETRY: Final[Json] = {
    "Retry-After": {"description": "Seconds.", "schema": {"type": "string", "pattern": "^[0-9]+$"}}
}


def described(document: Json, handlers: Mapping[str, HTTPRouteHandler]) -> Json:
    """Complete the framework's document. `handlers` are the routes by operation id."""
    made: Json = msgspec.json.decode(msgspec.json.encode(document))
    kinds = dict.fromkeys(kind for handler in handlers.values() for kind in _structs(handler))
    _, shapes = msgspec.json.schema_components([*kinds, Problem], ref_template=_REF)
    made["components"]["schemas"].update(shapes)
    for name, example in EXAMPLES.items():
        if name in made["components"]["schemas"]:
            made["components"]["schemas"][name]["examples"] = [example]
    for item in made["paths"].values():
        for method, operation in item.items():
            _complete(operation, method, handlers[operation["operationId"]])
    return made


def _complete(operation: Json, method: str, handler: HTTPRouteHandler) -> None:
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = _not_null(parameter["schema"])
        if parameter["name"] == "Idempotency-Key":
            parameter["required"] = True
    taken = handler.parsed_fn_signature.parameters.get("data")
    if media_types := handler.opt.get(TAKES):
        operation["requestBody"] = {
            "required": True,
            "content": {kind: {"schema": {}} for kind in media_types},
        }
    if "requestBody" in operation and taken is not None:
        operation["requestBody"]["required"] = not taken.is_optional
    if _is_open(handler):
        operation["security"] = []
    responses: Json = operation["responses"]
    responses.pop("400", None)  # the framework's own shape, which is never sent
    success = responses[str(handler.status_code)]
    if handler.status_code == HTTPStatus.NO_CONTENT:
        success.pop("content", None)
    content = handler.opt.get("content")
    if content:
        success["content"] = {media: {"schema": schema} for media, schema in content.items()}
    is_json = "application/json" in success.get("content", {})
    if method == "get" and is_json and not _is_free(handler):
        success["headers"] = {"ETag": {"description": "For If-None-Match.", **_TEXT}}
        responses["304"] = {"description": "Nothing has changed since the ETag was told."}
    if handler.opt.get("ranges"):
        responses["206"] = {"description": "The bytes that `Range` asks for, at most 1 MiB."}
        responses["206"]["content"] = success["content"]
    for status in sorted({*_refusals(operation, handler), *handler.opt.get("answers", ())}):
        responses[str(status)] = _refusal(status)
    if not _is_free(handler):
        for response in responses.values():
            response["headers"] = {**response.get("headers", {}), **_LIMITS}


def _refusals(operation: Json, handler: HTTPRouteHandler) -> Iterator[int]:
    """Yield the statuses with which a route may refuse, from what it takes."""
    places = {parameter["in"] for parameter in operation.get("parameters", ())}
    yield 400  # the address, a header or the body may be no UTF-8
    if _is_free(handler):
        return
    yield from (429, 503)
    if not _is_open(handler):
        yield from (401, 403)  # nobody known, or a key without the scope
    if "path" in places:
        yield 404
    if places & {"path", "query", "header"}:
        yield 422
    if handler.http_methods != {"GET"}:
        yield 413
    if "requestBody" in operation:
        yield from (415, 422)
    if "header" in places:  # a command, which may come too late
        yield 409


def _is_open(handler: HTTPRouteHandler) -> bool:
    return handler.security is not None and not handler.security


def _is_free(handler: HTTPRouteHandler) -> bool:
    return all(path.startswith("/health/") for path in handler.paths)


def _refusal(status: int) -> Json:
    code, words = _SAID.get(status, ("refused", HTTPStatus(status).phrase))
    example = problem(status, code, words, retryable=status in (429, 503), request_id="4f1c0b7a")
    return {
        "description": words,
        "headers": _RETRY if status in (429, 503) else {},
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": _REF.format(name="Problem")},
                "examples": {code: {"value": msgspec.to_builtins(example)}},
            }
        },
    }


def _not_null(schema: Json) -> Json:
    """Leave null out of a parameter's schema: in a URL or a header there is none."""
    plain = {key: value for key, value in schema.items() if key != "oneOf"}
    for option in schema.get("oneOf", ()):
        if option != {"type": "null"}:
            plain.update(option)
    if isinstance(plain.get("type"), list):
        plain["type"] = next(kind for kind in plain["type"] if kind != "null")
    if "enum" in plain:
        plain["enum"] = [value for value in plain["enum"] if value is not None]
    return plain


def _structs(handler: HTTPRouteHandler) -> Iterator[type[msgspec.Struct]]:
    signature = handler.parsed_fn_signature
    taken = signature.parameters.get("data")
    for annotation in (signature.return_type.annotation, taken and taken.annotation):
        yield from _inside(annotation)


def _inside(annotation: Any) -> Iterator[type[msgspec.Struct]]:  # noqa: ANN401 - any annotation
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        yield annotation
    for argument in get_args(annotation):
        yield from _inside(argument)
