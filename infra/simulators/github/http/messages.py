"""One HTTP request and its answer, as values, between ASGI and the rest of the forge."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import msgspec

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_MAX_BODY_BYTES = 1 << 20
_DOCUMENTATION = "https://docs.github.com/rest"


@dataclass(frozen=True)
class Reply:
    """A whole answer, held in memory."""

    status: int
    body: bytes = b""
    content_type: str = "application/json; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """The request is not to be served; carries GitHub's status, message and list of errors."""

    def __init__(
        self, status: int, message: str, errors: Sequence[Mapping[str, object]] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = list(errors)

    def reply(self) -> Reply:
        """Put the refusal in the shape of GitHub's error bodies."""
        body: dict[str, object] = {"message": self.message}
        if self.errors:
            body["errors"] = self.errors
        body |= {"documentation_url": _DOCUMENTATION, "status": str(self.status)}
        return json_reply(self.status, body)


def not_found() -> Refusal:
    """Refuse as GitHub does what is not there, and what may not be seen."""
    return Refusal(404, "Not Found")


def invalid(resource: str, *, code: str, **more: str) -> Refusal:
    """Refuse well-formed nonsense: 422 with one error on `resource`."""
    return Refusal(422, "Validation Failed", [{"resource": resource, "code": code, **more}])


def json_reply(status: int, body: object, headers: Mapping[str, str] | None = None) -> Reply:
    """Answer with JSON."""
    return Reply(status, msgspec.json.encode(body), headers=headers or {})


@dataclass(frozen=True)
class Request:
    """An HTTP request. Header names are in lower case; `path` is decoded; `client` an address."""

    method: str
    path: str
    query_string: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    client: str
    receive: Receive

    @classmethod
    def from_scope(cls, scope: Scope, receive: Receive) -> "Request":
        """Read an ASGI `http` scope; a header sent twice counts as its last."""
        query = scope["query_string"].decode("latin-1")
        return cls(
            method=scope["method"],
            path=scope["path"],
            query_string=query,
            query=dict(parse_qsl(query)),
            headers={
                name.decode("latin-1").lower(): value.decode("latin-1")
                for name, value in scope["headers"]
            },
            client=(scope.get("client") or ("", 0))[0],
            receive=receive,
        )

    async def body(self) -> bytes:
        """Read the whole body, at most 1 MiB of it; raises Refusal 413 for more."""
        pieces: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            if size > _MAX_BODY_BYTES:
                raise Refusal(413, "Request body is too large; send at most 1 MiB.")
            if not message.get("more_body", False):
                return b"".join(pieces)

    async def json(self) -> dict[str, object]:
        """Read the body as a JSON object; raises Refusal 400 as GitHub does when it is not."""
        try:
            decoded = msgspec.json.decode(await self.body())
        except msgspec.DecodeError:
            raise Refusal(400, "Problems parsing JSON") from None
        if not isinstance(decoded, dict):
            raise Refusal(400, "Body should be a JSON object")
        return decoded


async def send_reply(reply: Reply, send: Send, headers: Mapping[str, str]) -> None:
    """Send a whole answer; `headers` are those every answer carries."""
    sent = {
        "content-type": reply.content_type,
        "content-length": str(len(reply.body)),
        **headers,
        **reply.headers,
    }
    await send_start(reply.status, sent, send)
    await send({"type": "http.response.body", "body": reply.body})


async def send_start(status: int, headers: Mapping[str, str], send: Send) -> None:
    """Send the status and the headers of an answer."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (name.lower().encode("latin-1"), value.encode("latin-1"))
                for name, value in headers.items()
            ],
        }
    )
