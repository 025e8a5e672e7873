"""Signing in by mail and with GitHub, and what GitHub then shows: the person's repositories."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

import msgspec
from litestar import MediaType, Response, delete, get, post
from litestar.datastructures import Cookie
from litestar.params import JSONBody, QueryParameter

from services.gateway.accounts.assembly import CALLBACK
from services.gateway.accounts.members import plain_email
from services.gateway.accounts.sign_in.github_client import RepositoryInfo
from services.gateway.http.browser.session_cookies import credential
from services.gateway.http.dependencies import (
    Context,
    CurrentPrincipal,
    authenticated_principal,
    route_options,
)
from services.gateway.http.request_checks import AnyRequest, client_address
from services.gateway.http.routes.web_pages import trouble_page
from services.gateway.problems import Refused, invalid
from services.gateway.tasks.access import require

_TAGS: Final = ["people"]
_COOKIE_SECONDS: Final = 600
_MAX_PAGES: Final = 100
_POLL_SECONDS: Final = 3


class MailRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The mail address to which a sign-in link is sent."""

    email: str


class MailTaken(msgspec.Struct, frozen=True):
    """The same answer for every address."""

    detail: str


class Elsewhere(msgspec.Struct, frozen=True):
    """The address to which the browser goes now."""

    url: str


class AppSignInOffer(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in of an installed app: `url` is opened in any browser, `code` shown by the app.

    Back from GitHub, that browser asks for the code. With `secret` the app asks for the result.
    """

    url: str
    secret: str
    code: str
    expires_at: datetime
    interval_seconds: int = _POLL_SECONDS


class AppSignInSecret(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The secret of an app's sign-in."""

    secret: str


class AppSignInResult(msgspec.Struct, frozen=True):
    """The code to sign in with; null while the person is not done."""

    code: str | None


class AppSignInConfirmation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fragment of the page to which GitHub returned, and the code that the app shows."""

    confirmation: str
    code: str


class RepositoryPage(msgspec.Struct, frozen=True):
    """Some of the person's repositories; `next` is what `after` must be for more."""

    data: tuple[RepositoryInfo, ...]
    next: str | None


@dataclass(frozen=True)
class _CookieTerms:
    """The name and the attributes of the cookie that binds a sign-in to a browser.

    Over https it is bound to this very host (`__Host-`, RFC 6265bis §4.1.3.2).
    """

    name: str
    is_secure: bool

    @classmethod
    def of(cls, context: Context) -> "_CookieTerms":
        is_secure = context.public_url.startswith("https://")
        return cls("__Host-errand-oauth" if is_secure else "errand-oauth", is_secure)

    def cookie(self, value: str) -> Cookie:
        return Cookie(
            self.name,
            value=value,
            max_age=_COOKIE_SECONDS if value else 0,
            path="/",
            secure=self.is_secure,
            httponly=True,
            samesite="lax",
        )


@post(
    "/v1/magic-links",
    tags=_TAGS,
    summary="Request a sign-in link by mail",
    security=[],
    status_code=202,
    opt={"answers": (409,)},
)
async def magic_link(
    request: AnyRequest, context: Context, data: JSONBody[MailRequest]
) -> MailTaken:
    """Have a link mailed that signs in once, within ten minutes, if the address is known here.

    The answer does not tell whether it is.
    """
    await context.accounts.mail.ask(
        plain_email(data.email, "/email"), source=client_address(request)
    )
    return MailTaken("If this address is known here, a link is on its way to it.")


@post(
    "/v1/oauth/github",
    tags=_TAGS,
    summary="Start sign-in with GitHub",
    security=[{}, {"session": []}],
    opt={"answers": (409,)},
)
async def begin(request: AnyRequest, context: Context) -> Response[Elsewhere]:
    """Begin to sign in with GitHub, or, with a session, to link it. Send the browser to `url`."""
    is_known = bool(credential(request, context.public_url).token)
    principal = await authenticated_principal(request, context) if is_known else None
    if principal is not None:
        require(principal, "admin")
    departure = await context.accounts.identities.begin(principal)
    cookie = _CookieTerms.of(context).cookie(departure.browser)
    return Response(Elsewhere(departure.url), cookies=[cookie])


@post(
    "/v1/oauth/github/app",
    tags=_TAGS,
    summary="Start sign-in with GitHub for an installed app",
    security=[],
    opt={"answers": (409,)},
)
async def begin_for_app(context: Context) -> AppSignInOffer:
    """Begin a sign-in that another browser carries out, where an app shares no cookies with it."""
    begun, url = await context.accounts.identities.begin_for_app()
    return AppSignInOffer(
        url=url, secret=begun.secret, code=begun.code, expires_at=begun.expires_at
    )


@post(
    "/v1/oauth/github/app/confirmation",
    tags=_TAGS,
    summary="Confirm the sign-in of an installed app",
    security=[],
    status_code=204,
    opt={"answers": (403,)},
)
async def confirm_app(context: Context, data: JSONBody[AppSignInConfirmation]) -> None:
    """Let the app that shows this code sign in. After three wrong codes the sign-in ends."""
    await context.accounts.identities.app_sign_ins.confirm(data.confirmation, data.code)


@post(
    "/v1/oauth/github/app/result",
    tags=_TAGS,
    summary="Get the result of an installed app's sign-in",
    security=[],
    status_code=200,
    opt={"answers": (403,)},
)
async def app_result(context: Context, data: JSONBody[AppSignInSecret]) -> AppSignInResult:
    """Return, once, the code for POST /v1/sessions; null until the person has confirmed."""
    return AppSignInResult(await context.accounts.identities.app_sign_ins.result(data.secret))


@get(CALLBACK, include_in_schema=False)
async def callback(request: AnyRequest, context: Context) -> Response[str]:
    """Take a browser back from GitHub. What signs it in is in the fragment, which nobody logs."""
    terms = _CookieTerms.of(context)
    try:
        arrival = await context.accounts.identities.finish(
            state=_once(request, "state"),
            browser=request.cookies.get(terms.name, ""),
            code=_once(request, "code"),
            issuer=_once(request, "iss"),
        )
    except Refused as refusal:
        return trouble_page(refusal.problem, cookies=[terms.cookie("")])
    page = "/sign-in/github" if arrival.is_for_app else "/pair"
    return Response(
        "",
        status_code=303,
        media_type=MediaType.TEXT,
        cookies=[terms.cookie("")],
        headers={
            "Location": f"{page}#{arrival.code}",
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
        },
    )


@delete("/v1/oauth/github", tags=_TAGS, summary="Unlink GitHub", opt=route_options("admin", 404))
async def unlink(context: Context, principal: CurrentPrincipal) -> None:
    """Forget who one is at GitHub, and one's token there."""
    await context.accounts.identities.unlink(principal)


@get(
    "/v1/repositories",
    tags=["repositories"],
    summary="List or search your repositories",
    opt={"answers": (409,)},
)
async def repositories(
    context: Context,
    principal: CurrentPrincipal,
    *,
    words: Annotated[
        str,
        QueryParameter(
            name="query", max_length=200, description="Words of a name, or `owner/words`."
        ),
    ] = "",
    after: Annotated[str, QueryParameter(description="`next` of the page before.")] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 30,
) -> RepositoryPage:
    """List the repositories the person may see at GitHub, newest push first; or those that match.

    409 when the person is not linked to GitHub.
    """
    page = _page(after)
    found = await context.accounts.identities.repositories(principal, words, page=page, limit=limit)
    more = found.has_more and page < _MAX_PAGES
    return RepositoryPage(found.repositories, str(page + 1) if more else None)


def _once(request: AnyRequest, name: str) -> str:
    """Read a parameter of the query; sent more than once it counts as not sent (RFC 6749 §3.1)."""
    values = request.query_params.getall(name, [])
    return str(values[0]) if len(values) == 1 else ""


def _page(after: str) -> int:
    if not after:
        return 1
    if after.isascii() and after.isdecimal() and len(after) < len(str(_MAX_PAGES)) + 1:
        return max(1, int(after))
    raise invalid("after_refused", "/after", "Give what `next` of the page before was.")


ROUTES = [magic_link, begin, begin_for_app, confirm_app, app_result, callback, unlink, repositories]
