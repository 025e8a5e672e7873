"""Signing in and out: codes for devices, their sessions, and who one is."""

import re
from datetime import datetime
from typing import Final

import msgspec
from litestar import Response, delete, get, post
from litestar.params import FromPath, JSONBody

from events.ids import PersonId
from events.protocol.api.sessions import (
    Me,
    PairingOffer,
    PairingRequest,
    Renewal,
    Seen,
    Session,
    SignIn,
)
from services.gateway.accounts.authentication import is_operator
from services.gateway.accounts.sessions import SessionInfo
from services.gateway.accounts.sign_in.pairing import Pairing
from services.gateway.http.browser.same_origin import require_same_origin
from services.gateway.http.browser.session_cookies import (
    credential,
    refresh_cookie,
    session_cookies,
    session_without_tokens,
)
from services.gateway.http.dependencies import (
    Context,
    CurrentPrincipal,
    authenticated_principal,
    route_options,
)
from services.gateway.http.request_checks import AnyRequest, bearer, client_address
from services.gateway.problems import invalid, unauthenticated
from services.gateway.tasks.access import an_id, require

_TAGS: Final = ["people"]
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}")
_HOME: Final = "home"


class SessionPage(msgspec.Struct, frozen=True):
    """The person's sessions; all of them fit."""

    data: tuple[SessionInfo, ...]
    next: str | None = None


class Ticket(msgspec.Struct, frozen=True):
    """For one entry of `person` to the stream, where no header can be sent."""

    ticket: str
    expires_at: datetime
    person: PersonId


def offer(context: Context, pairing: Pairing) -> PairingOffer:
    """Show a code with the address that carries it."""
    url = f"{context.public_url.rstrip('/')}/pair#{pairing.code}"
    return PairingOffer(pairing.code, pairing.expires_at, url)


@post("/v1/pairings", tags=_TAGS, summary="Create a pairing code", opt=route_options("admin"))
async def pair(
    request: AnyRequest, context: Context, data: JSONBody[PairingRequest | None] = None
) -> PairingOffer:
    """Make a one-time code: for another device of one's own, or (operator) for an account."""
    wanted = data.account if data else ""
    pairings = context.accounts.pairings
    if is_operator(bearer(request), context.operator_token):
        name = wanted or _HOME
        if not _NAME.fullmatch(name):
            raise invalid("account_name_refused", "/account", "Use letters, digits and ` ._@-`.")
        return offer(context, await pairings.for_account(name))
    principal = await authenticated_principal(request, context)
    if wanted:
        raise invalid(
            "account_refused", "/account", "Only the operator may pair for another account."
        )
    return offer(context, await pairings.for_another_device(principal))


@post("/v1/sessions", tags=_TAGS, summary="Sign a device in", security=[], opt={"answers": (403,)})
async def sign_in(
    request: AnyRequest, context: Context, data: JSONBody[SignIn]
) -> Response[Session | Me]:
    """Trade a code for a session. Its tokens are shown this once.

    With the transport `cookie`, for the app's own pages alone, they are set as cookies that no
    script can read, and the answer is that of GET /v1/me.
    """
    is_cookie = data.transport == "cookie"
    if is_cookie:
        require_same_origin(request, context)
    session = await context.accounts.pairings.sign_in(
        data.code, data.device, source=client_address(request)
    )
    return _answer(context, session, is_cookie=is_cookie)


@post(
    "/v1/sessions/refresh",
    tags=_TAGS,
    summary="Renew a session's tokens",
    security=[],
    status_code=200,
    opt={"answers": (401, 403)},
)
async def refresh(
    request: AnyRequest, context: Context, data: JSONBody[Renewal | None] = None
) -> Response[Session | Me]:
    """Trade a refresh token for the next one, and a fresh access token.

    Repeating the request because its answer was lost gives the same refresh token, however late,
    as long as nothing of that answer was used. A refresh token that was used before ends the
    session otherwise: somebody else may have it. Without a body the refresh token is the cookie's:
    both cookies are set again, and the answer is that of GET /v1/me.
    """
    if data is not None:
        session = await context.accounts.sessions.refresh(data.refresh_token)
        return _answer(context, session, is_cookie=False)
    require_same_origin(request, context)
    token = refresh_cookie(request, context.public_url)
    if not token:
        raise unauthenticated()
    session = await context.accounts.sessions.refresh(token)
    return _answer(context, session, is_cookie=True)


@get("/v1/sessions", tags=_TAGS, summary="List your sessions", opt=route_options("admin"))
async def sessions(context: Context, principal: CurrentPrincipal) -> SessionPage:
    """List the devices on which one is signed in, the one used last first."""
    return SessionPage(await context.accounts.sessions.list(principal))


@delete(
    "/v1/sessions/{session:str}",
    tags=_TAGS,
    summary="Sign a device out",
    opt=route_options("admin"),
)
async def sign_out(
    request: AnyRequest, context: Context, principal: CurrentPrincipal, session: FromPath[str]
) -> Response[None]:
    """End one of one's own sessions; its stream is disconnected, its cookies are taken away."""
    await context.accounts.sessions.end(principal, an_id(session, of="session"))
    is_own = session == principal.session and credential(request, context.public_url).is_cookie
    cookies = session_cookies(context.public_url).cleared() if is_own else []
    return Response(None, cookies=cookies)


@delete(
    "/v1/sessions", tags=_TAGS, summary="Sign all other devices out", opt=route_options("admin")
)
async def sign_others_out(context: Context, principal: CurrentPrincipal) -> None:
    """End every session of one's own but the one that asks."""
    await context.accounts.sessions.end_others(principal)


@get("/v1/me", tags=_TAGS, summary="Get the signed-in person", opt=route_options(None))
async def me(principal: CurrentPrincipal) -> Me:
    """Return the person or program whose token this is."""
    return Me(
        account=principal.account,
        person=principal.person,
        session=principal.session,
        role=principal.role,
        scopes=tuple(sorted(principal.scopes)),
        expires_at=principal.expires_at,
    )


@get("/v1/me/seen", tags=_TAGS, summary="Get the versions you have seen", opt=route_options("read"))
async def seen(context: Context, principal: CurrentPrincipal) -> Seen:
    """Return the last version of each task that the person has seen, on any of their devices.

    Those of the last 500 tasks looked at. On the stream the frame `seen` brings the same.
    """
    return Seen(await context.seen.read(principal.account, principal.person))


@post("/v1/stream/tickets", tags=_TAGS, summary="Create a stream ticket", opt=route_options("read"))
async def ticket(context: Context, principal: CurrentPrincipal) -> Ticket:
    """Make a ticket that lets this credential enter the stream once, within 45 s."""
    require(principal, "read")
    made = context.accounts.people.ticket(principal)
    return Ticket(made.text, made.expires_at, principal.person)


def _answer(context: Context, session: Session, *, is_cookie: bool) -> Response[Session | Me]:
    if not is_cookie:
        return Response(session)
    cookies = session_cookies(context.public_url).of(session)
    return Response(session_without_tokens(session), cookies=cookies)


ROUTES = [pair, sign_in, refresh, sessions, sign_out, sign_others_out, me, seen, ticket]
