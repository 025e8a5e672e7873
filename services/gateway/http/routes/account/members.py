"""The account's members, and the API keys of its programs."""

import re
from datetime import datetime
from typing import Final

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody

from events import PersonId
from events.protocol.api.sessions import Role, Scope
from services.gateway.accounts.api_keys import ApiKeyInfo, NewApiKey
from services.gateway.accounts.members import Member, plain_email
from services.gateway.http.dependencies import Context, CurrentPrincipal, route_options
from services.gateway.http.routes.account.sessions import offer
from services.gateway.problems import invalid
from services.gateway.tasks.access import an_id

_PEOPLE: Final = ["people"]
_KEYS: Final = ["keys"]
_NAME: Final = re.compile(r"\w[\w .'@+-]{0,63}")


class Invitation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The person to invite. With an `email` they can also sign in by a mailed link."""

    name: str
    role: Role = "member"
    email: str = ""


class InvitationOffer(msgspec.Struct, frozen=True):
    """Hand `url` (or the code) to the guest: it is good once, for a day."""

    person: PersonId
    code: str
    expires_at: datetime
    url: str


class MemberPage(msgspec.Struct, frozen=True):
    """The account's members."""

    data: tuple[Member, ...]
    next: str | None = None


class RoleChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The new role of a member."""

    role: Role


class ApiKeyRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key to be made. Without `scopes` it may do all that its maker may."""

    name: str
    scopes: tuple[Scope, ...] = ()
    expires_at: datetime | None = None


class KeyPage(msgspec.Struct, frozen=True):
    """The person's keys; all of them fit."""

    data: tuple[ApiKeyInfo, ...]
    next: str | None = None


@get("/v1/members", tags=_PEOPLE, summary="List the account's members")
async def members(context: Context, principal: CurrentPrincipal) -> MemberPage:
    """List who belongs to the account, and who is invited."""
    return MemberPage(await context.accounts.members.list(principal))


@post(
    "/v1/members", tags=_PEOPLE, summary="Invite a member (owner)", opt=route_options("admin", 409)
)
async def invite(
    context: Context, principal: CurrentPrincipal, data: JSONBody[Invitation]
) -> InvitationOffer:
    """Invite somebody into the account. Said again before they came, it makes another code."""
    email = plain_email(data.email, "/email") if data.email else None
    made = await context.accounts.members.invite(
        principal, _named(data.name), role=data.role, email=email
    )
    shown = offer(context, made.pairing)
    return InvitationOffer(made.person, shown.code, shown.expires_at, shown.url)


@put(
    "/v1/members/{person:str}",
    tags=_PEOPLE,
    summary="Change a role (owner)",
    opt=route_options("admin", 409),
)
async def change_role(
    context: Context, principal: CurrentPrincipal, person: FromPath[str], data: JSONBody[RoleChange]
) -> None:
    """Make somebody an owner or a member, at once."""
    await context.accounts.members.change(principal, an_id(person, of="member"), role=data.role)


@delete(
    "/v1/members/{person:str}",
    tags=_PEOPLE,
    summary="Remove a member (owner)",
    opt=route_options("admin", 409),
)
async def remove(context: Context, principal: CurrentPrincipal, person: FromPath[str]) -> None:
    """Remove somebody, or leave: their sessions and keys end. Their tasks stay the account's."""
    await context.accounts.members.remove(principal, an_id(person, of="member"))


@get("/v1/keys", tags=_KEYS, summary="List your API keys", opt=route_options("admin"))
async def keys(context: Context, principal: CurrentPrincipal) -> KeyPage:
    """List your API keys by their last four characters."""
    return KeyPage(await context.accounts.keys.list(principal))


@post("/v1/keys", tags=_KEYS, summary="Create an API key", opt=route_options("admin", 409))
async def make_key(
    context: Context, principal: CurrentPrincipal, data: JSONBody[ApiKeyRequest]
) -> NewApiKey:
    """Make a key for a program: send it as `Authorization: Bearer <token>`. It is shown once."""
    end = data.expires_at
    if end is not None and end.tzinfo is None:
        raise invalid("expiry_refused", "/expires_at", "Say the time zone, as in …T12:00:00Z.")
    return await context.accounts.keys.make(
        principal, _named(data.name), scopes=data.scopes, expires_at=end
    )


@delete("/v1/keys/{key:str}", tags=_KEYS, summary="Revoke an API key", opt=route_options("admin"))
async def revoke_key(context: Context, principal: CurrentPrincipal, key: FromPath[str]) -> None:
    """End a key at once."""
    await context.accounts.keys.revoke(principal, an_id(key, of="key"))


def _named(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise invalid(
            "name_refused", "/name", "A name has 1 to 64 letters, digits, spaces and ` .'@+-`."
        )
    return name


ROUTES = [members, invite, change_role, remove, keys, make_key, revoke_key]
