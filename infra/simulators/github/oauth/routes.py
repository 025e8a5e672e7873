"""The addresses of OAuth: a page that asks, and the one where codes become tokens."""

from collections.abc import Mapping
from dataclasses import replace
from html import escape
from urllib.parse import parse_qsl, urlencode

import msgspec

from infra.simulators.github.http.messages import Refusal, Reply, Request, json_reply
from infra.simulators.github.oauth.grants import OAuth, OAuthError
from infra.simulators.github.pages import html as pages
from infra.simulators.github.store import names

_PREFIX = "/login/oauth/"
_ASKED = (
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
)


async def answer(request: Request, oauth: OAuth, login: str) -> Reply | None:
    """Answer what is asked below /login/oauth/; None when the request is for another place.

    GitHub knows by its own session who sits at the browser; here the page asks, and proposes
    `login`.
    """
    if not request.path.startswith(_PREFIX):
        return None
    try:
        match request.method, request.path.removeprefix(_PREFIX):
            case "GET", "authorize":
                return _ask(request.query, oauth, login)
            case "POST", "authorize":
                return _decide(await _form(request), oauth)
            case "POST", "access_token":
                return await _exchange(request, oauth)
            case _:
                return pages.missing()
    except Refusal as refusal:
        return refusal.reply()


def _ask(asked: Mapping[str, str], oauth: OAuth, login: str) -> Reply:
    if not oauth.app.client_id or asked.get("client_id") != oauth.app.client_id:
        return pages.missing()
    try:
        oauth.check(asked)
    except OAuthError as error:
        return _redirect(oauth.back(asked, error.body))
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{escape(asked[name])}">'
        for name in _ASKED
        if name in asked
    )
    scope = escape(asked.get("scope", "") or "nothing but who you are")
    body = (
        "<h1>Let Errand act for you?</h1>"
        "<p>This local forge stands in for GitHub. It knows nobody's browser, so it asks.</p>"
        f"<p>Errand asks for: <code>{scope}</code></p>"
        f'<form method="post" action="{_PREFIX}authorize">{hidden}'
        f'<p><label>Sign in as <input name="login" value="{escape(login)}"></label></p>'
        '<p><button name="authorize" value="1">Allow</button> '
        '<button name="authorize" value="0">Do not</button></p></form>'
    )
    page = pages.page(200, "Let Errand act for you?", body)
    policy = page.headers["content-security-policy"]
    callback = oauth.back(asked, {}).partition("?")[0]
    open_form = policy.replace("form-action 'none'", f"form-action 'self' {callback}")
    return replace(page, headers={**page.headers, "content-security-policy": open_form})


def _decide(form: Mapping[str, str], oauth: OAuth) -> Reply:
    if not oauth.app.client_id or form.get("client_id") != oauth.app.client_id:
        return pages.missing()
    try:
        oauth.check(form)
    except OAuthError as error:
        return _redirect(oauth.back(form, error.body))
    if form.get("authorize") != "1":
        denied = OAuthError("access_denied", "The user has denied your application access.")
        return _redirect(oauth.back(form, denied.body))
    login = form.get("login", "")
    if not names.is_owner(login):
        raise Refusal(422, "Validation Failed")
    return _redirect(oauth.accept(form, login))


async def _exchange(request: Request, oauth: OAuth) -> Reply:
    try:
        body = oauth.exchange(await _form(request))
    except OAuthError as error:
        body = error.body
    if "json" in request.headers.get("accept", ""):
        return json_reply(200, body)
    return Reply(200, urlencode(body).encode(), "application/x-www-form-urlencoded; charset=utf-8")


async def _form(request: Request) -> dict[str, str]:
    """Read a form, or JSON when it says so, after what stands in the query."""
    content = await request.body()
    if "json" in request.headers.get("content-type", ""):
        try:
            return {**request.query, **msgspec.json.decode(content, type=dict[str, str])}
        except msgspec.DecodeError:
            raise Refusal(400, "Problems parsing JSON") from None
    pairs = parse_qsl(content.decode("utf-8", "replace"), keep_blank_values=True)
    return {**request.query, **dict(pairs)}


def _redirect(url: str) -> Reply:
    return Reply(302, b"", "text/html; charset=utf-8", {"location": url})
