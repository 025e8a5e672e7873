"""The cookies that hold a browser's session. No script can read them: they are HttpOnly.

One holds the access token and is gone with it, after ten minutes; the other the refresh token. Over
https they are bound to this very host (`__Host-`, RFC 6265bis §4.1.3.2). Over plain http, on one's
own machine or network, cookies are shared by all ports of a host: there the names have the port in
them, so that two installations on one machine do not sign each other out.
"""

from functools import cache
from typing import NamedTuple
from urllib.parse import urlsplit

from litestar.datastructures import Cookie

from events.protocol.api.sessions import Me, Session
from services.gateway.accounts.sessions import IDLE
from services.gateway.accounts.token_signing import ACCESS_SECONDS
from services.gateway.http.request_checks import AnyRequest, bearer
from services.gateway.tasks.access import SCOPES


class Credential(NamedTuple):
    """A token, and how it came: a browser sends a cookie with requests of any page."""

    token: str
    is_cookie: bool


class SessionCookies(NamedTuple):
    """The names and attributes of the two cookies of one installation."""

    access: str
    refresh: str
    is_secure: bool

    def of(self, session: Session) -> list[Cookie]:
        """Return the cookies that hold a session's tokens."""
        return [
            self._cookie(self.access, session.token, ACCESS_SECONDS),
            self._cookie(self.refresh, session.refresh_token, int(IDLE.total_seconds())),
        ]

    def cleared(self) -> list[Cookie]:
        """Return the cookies that take a session's tokens away."""
        return [self._cookie(name, "", 0) for name in (self.access, self.refresh)]

    def _cookie(self, name: str, value: str, seconds: int) -> Cookie:
        return Cookie(
            name,
            value=value,
            max_age=seconds,
            path="/",
            secure=self.is_secure,
            httponly=True,
            samesite="strict",
        )


@cache
def session_cookies(public_url: str) -> SessionCookies:
    """Return the cookies of the installation that people reach under this URL."""
    parts = urlsplit(public_url)
    if parts.scheme == "https":
        return SessionCookies("__Host-errand-session", "__Host-errand-refresh", is_secure=True)
    port = parts.port or 80
    return SessionCookies(f"errand-session-{port}", f"errand-refresh-{port}", is_secure=False)


def credential(request: AnyRequest, public_url: str) -> Credential:
    """Return the token a request comes with; empty without one. A header goes before a cookie."""
    if "authorization" in request.headers:
        return Credential(bearer(request), is_cookie=False)
    token = request.cookies.get(session_cookies(public_url).access, "")
    return Credential(token, is_cookie=bool(token))


def refresh_cookie(request: AnyRequest, public_url: str) -> str:
    """Return the refresh token of the request's cookie; empty without one."""
    return request.cookies.get(session_cookies(public_url).refresh, "")


def session_without_tokens(session: Session) -> Me:
    """Return what a page may know of the session that its cookies hold."""
    return Me(
        account=session.account,
        person=session.person,
        session=session.session,
        role=session.role,
        scopes=tuple(sorted(SCOPES)),
        expires_at=session.expires_at,
    )
