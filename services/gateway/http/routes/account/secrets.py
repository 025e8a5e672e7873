"""The account's own secrets: a model key, forge tokens. Written, listed by their end, deleted."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import delete, get, put
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from services.gateway.broker.secrets.store import MODEL_PROVIDER, SecretInfo
from services.gateway.http.context import GatewayContext
from services.gateway.http.dependencies import Context, CurrentPrincipal, route_options
from services.gateway.problems import invalid
from services.gateway.tasks.access import require_owner
from services.gateway.tasks.repository_url import locate

_TAGS: Final = ["secrets"]
_NOT_SET_UP: Final = {"answers": (409,)}
_FOR_OWNERS: Final = route_options("admin", 409)
_TEXT: Final = re.compile(r"[\x21-\x7e]{8,4096}")


class SecretRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A secret to keep.

    anthropic: the account's own key, used in place of the operator's; it has no name. forge: a
    token, for the forge or for the one repository whose address is its `name`.
    """

    provider: Literal["anthropic", "forge"]
    text: Annotated[str, Meta(max_length=5000)]
    name: Annotated[str, Meta(max_length=500)] = ""


class SecretList(msgspec.Struct, frozen=True):
    """The secrets the account keeps, without their values."""

    data: Sequence[SecretInfo]


@put("/v1/secrets", tags=_TAGS, summary="Store a secret (owner)", opt=_FOR_OWNERS)
async def put_secret(
    context: Context, principal: CurrentPrincipal, data: JSONBody[SecretRequest]
) -> SecretInfo:
    """Encrypt a secret and keep it, in place of one of the same provider and name."""
    require_owner(principal)
    if not _TEXT.fullmatch(data.text):
        raise invalid(
            "secret_refused",
            "/text",
            "A secret has from 8 to 4,096 visible ASCII characters and no spaces.",
        )
    name = _name(context, data)
    return await context.records.secrets.put(principal.account, data.provider, name, data.text)


@get("/v1/secrets", tags=_TAGS, summary="List secrets", opt=_NOT_SET_UP)
async def list_secrets(context: Context, principal: CurrentPrincipal) -> SecretList:
    """List what is kept; of the secrets themselves the last four characters."""
    return SecretList(await context.records.secrets.all(principal.account))


@delete(
    "/v1/secrets/{secret:str}",
    tags=_TAGS,
    summary="Delete a secret (owner)",
    opt=_FOR_OWNERS,
)
async def delete_secret(
    context: Context, principal: CurrentPrincipal, secret: FromPath[str]
) -> None:
    """Destroy a secret. What it was used for falls back on the operator's own, if it has one."""
    require_owner(principal)
    await context.records.secrets.delete(principal.account, secret)


def _name(context: GatewayContext, body: SecretRequest) -> str:
    if body.provider == MODEL_PROVIDER:
        if body.name:
            raise invalid("secret_name_refused", "/name", "An account has one key; leave it out.")
        return ""
    urls = {forge.url.rstrip("/") for forge in context.forges}
    plain = body.name.rstrip("/")
    return plain if plain in urls else locate(body.name, context.forges).url


ROUTES: list[Any] = [put_secret, list_secrets, delete_secret]
