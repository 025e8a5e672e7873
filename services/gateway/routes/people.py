"""Signing in: a code for a device, the device's session, and who one is."""

import re
from datetime import datetime
from typing import Final

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody

from events import AccountId, PersonId
from services.gateway.accounts.people import Device, Session, is_operator
from services.gateway.problems import invalid
from services.gateway.routes.asking import Asked, TheHouse, ThePerson, bearer, person_asking

_TAGS: Final = ["people"]
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}")
_HOME: Final = "home"


class PairingWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For which account; with the operator's token only."""

    account: str = ""


class PairingOffer(msgspec.Struct, frozen=True):
    """A code good for one device and ten minutes. `url` carries it in its fragment."""

    code: str
    expires_at: datetime
    url: str


class SignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A pairing code, and what the device calls itself."""

    code: str
    device: Device = Device()


class Me(msgspec.Struct, frozen=True):
    """Who the session's person is."""

    account: AccountId
    person: PersonId
    session: str


@post("/v1/pairings", tags=_TAGS, summary="Make a code to pair a device with")
async def pair(
    request: Asked, house: TheHouse, data: JSONBody[PairingWish | None] = None
) -> PairingOffer:
    """Make a one-time code: for another device of one's own, or (operator) for an account."""
    wanted = data.account if data else ""
    if is_operator(bearer(request), house.operator_token):
        name = wanted or _HOME
        if not _NAME.fullmatch(name):
            raise invalid("account_name_refused", "/account", "Use letters, digits and ` ._@-`.")
        made = await house.people.pair(name)
    else:
        principal = await person_asking(request, house)
        if wanted:
            raise invalid(
                "account_refused", "/account", "Only the operator may pair for another account."
            )
        made = await house.people.pair_another(principal)
    url = f"{house.public_url.rstrip('/')}/pair#{made.code}"
    return PairingOffer(made.code, made.expires_at, url)


@post("/v1/sessions", tags=_TAGS, summary="Sign a device in", security=[], opt={"answers": (403,)})
async def sign_in(request: Asked, house: TheHouse, data: JSONBody[SignIn]) -> Session:
    """Trade a pairing code for a session. The token is told this once."""
    source = request.client.host if request.client else "unknown"
    return await house.people.sign_in(data.code, data.device, source=source)


@delete("/v1/sessions/{session:str}", tags=_TAGS, summary="Sign a device out")
async def sign_out(house: TheHouse, principal: ThePerson, session: FromPath[str]) -> None:
    """Revoke one of one's own sessions."""
    await house.people.revoke(principal, session)


@get("/v1/me", tags=_TAGS, summary="Who am I")
async def me(principal: ThePerson) -> Me:
    """Tell whose token this is."""
    return Me(principal.account, principal.person, principal.session)


ROUTES = [pair, sign_in, sign_out, me]
