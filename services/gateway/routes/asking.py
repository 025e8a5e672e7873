"""Who asks, with which command id: what every route reads from a request's headers."""

from typing import Annotated, Any

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, SkipValidation

from services.gateway.access import Principal
from services.gateway.house import House
from services.gateway.problems import refused, unauthenticated

Asked = Request[Any, Any, Any]

TheHouse = NamedDependency[SkipValidation[House]]
ThePerson = NamedDependency[SkipValidation[Principal]]
CommandKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="A UUID (best: version 7), new for every command and the same when the same "
        "command is sent again. Required.",
        schema_extra={"format": "uuid"},
    ),
]


def bearer(request: Asked) -> str:
    """Read the token of `Authorization: Bearer …`; empty when there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def person_asking(request: Asked, house: TheHouse) -> Principal:
    """Tell who asks. Raises Refused (401) when it is nobody known."""
    token = bearer(request)
    principal = await house.people.authenticate(token) if token else None
    if principal is None:
        raise unauthenticated()
    return principal


def required(key: str | None) -> str:
    """Insist on an Idempotency-Key. Raises Refused (400) without one."""
    if not key:
        raise refused(
            400,
            "idempotency_key_missing",
            "Send the header `Idempotency-Key` with a fresh UUID, and the same one when you "
            "repeat the request.",
        )
    return key
