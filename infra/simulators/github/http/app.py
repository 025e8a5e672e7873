"""The forge as an ASGI application: faults first, then git, the API, or a page."""

import asyncio
import ipaddress
import itertools
import re
import secrets
from dataclasses import replace
from pathlib import Path

import msgspec

from infra.runtime.clock import Clock
from infra.simulators.github.git.access import GitAccess, as_git_error
from infra.simulators.github.git.command import Git
from infra.simulators.github.git.smart_http import recognise
from infra.simulators.github.http.credentials import Sender, credential, sender
from infra.simulators.github.http.faults import Fault, Faults
from infra.simulators.github.http.messages import (
    Receive,
    Refusal,
    Reply,
    Request,
    Scope,
    Send,
    json_reply,
    not_found,
    send_reply,
)
from infra.simulators.github.oauth import routes
from infra.simulators.github.oauth.grants import App, OAuth
from infra.simulators.github.oauth.installations import Installations
from infra.simulators.github.pages import html
from infra.simulators.github.pages.lookup import Browsing
from infra.simulators.github.rest import routing
from infra.simulators.github.rest.installation_routes import APP_ROUTES
from infra.simulators.github.rest.listing_routes import LISTING_ROUTES
from infra.simulators.github.rest.pull_request_routes import PULL_REQUEST_ROUTES
from infra.simulators.github.rest.repository_routes import REPOSITORY_ROUTES
from infra.simulators.github.rest.shapes import Shapes
from infra.simulators.github.settings import Settings
from infra.simulators.github.store.pull_requests import PullRequests
from infra.simulators.github.store.repositories import Repositories

_ROUTES = APP_ROUTES + LISTING_ROUTES + REPOSITORY_ROUTES + PULL_REQUEST_ROUTES
_API = "/api/v3"
_FOR_APPS = re.compile(r"/api/v3/(?:repos/[^/]+/[^/]+/installation|app/.+)")
_REPOSITORY = re.compile(r"(?:/api/v3/repos)?/[^/]+/(?P<name>[^/]+?)(?:\.git)?(?P<rest>/.*)?")
_HOST = re.compile(r"(?:[A-Za-z0-9.\-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


class Application:
    """One forge, as ASGI 3 wants it."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        git = Git(settings.path)
        repositories = Repositories(Path(settings.directory), git, clock)
        self._settings = settings
        self._faults = Faults()
        self._forge = routing.Forge(
            login=settings.login,
            git=git,
            clock=clock,
            repositories=repositories,
            pull_requests=PullRequests(repositories, git, clock),
            installations=_installations(settings, clock),
        )
        self._oauth = OAuth(
            Path(settings.directory),
            App(
                settings.oauth_client_id,
                settings.oauth_client_secret,
                settings.oauth_callback_url,
            ),
            clock,
        )
        self._git = GitAccess(self._forge, self._faults, settings.path)
        self._numbers = itertools.count(1)
        self._start = int(clock().timestamp())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise ValueError(f"this forge does not speak {scope['type']}")
        request = Request.from_scope(scope, receive)
        headers = {"x-github-request-id": f"{self._start:X}:{next(self._numbers):X}"}
        who, login = self._sender(request)
        reply = await self._inject_fault(request)
        try:
            call = None if reply is not None else recognise(request)
            if call is not None:
                git_sender = Sender.NOBODY if who is Sender.GUEST else who
                await self._git.serve(call, request, send, sender=git_sender, headers=headers)
                return
        except Refusal as refusal:
            reply = as_git_error(refusal)
        await send_reply(reply or await self._reply(request, who, login), send, headers)

    def _sender(self, request: Request) -> tuple[Sender, str]:
        """Return who asks, and as whom: by the forge's token, an App's, or one given by OAuth."""
        header, owner = request.headers.get("authorization", ""), self._settings.login
        if _FOR_APPS.fullmatch(request.path):
            return Sender.NOBODY, ""  # these look at the header themselves
        who = sender(header, self._settings.forge_token)
        if who is not Sender.IMPOSTOR:
            return who, owner if who is Sender.OWNER else ""
        apps, secret = self._forge.installations, (credential(header) or b"")
        grant = apps.granted(secret.decode(errors="replace")) if apps is not None else None
        if grant is not None:
            return grant.sender(*_subject(request)), owner
        granted = self._oauth.granted(header)
        if granted is None:
            return who, ""
        is_owner = granted.login.lower() == owner.lower() and granted.sees_private
        return Sender.OWNER if is_owner else Sender.GUEST, granted.login

    async def _reply(self, request: Request, who: Sender, login: str) -> Reply:
        if request.path == "/health":
            return json_reply(200, {"status": "ok"})
        if request.path == "/faults":
            return await self._order(request)
        shapes = Shapes(self._site(request))
        if not request.path.startswith(f"{_API}/"):
            answered = await routes.answer(request, self._oauth, self._settings.login)
            if answered is not None:
                return answered
            return await Browsing(self._forge, shapes, who).reply(request)
        try:
            routing.check(request, who)
            run, parts = routing.find(_ROUTES, request.method, request.path.removeprefix(_API))
            reply = await run(routing.Call(request, who, parts, self._forge, shapes, login))
        except Refusal as refusal:
            reply = refusal.reply()
        common = routing.headers(request, self._forge.clock)
        return replace(reply, headers={**common, **reply.headers})

    async def _inject_fault(self, request: Request) -> Reply | None:
        """Inject the faults asked for; an answer here is all the request gets."""
        if request.path in {"/health", "/faults"}:
            return None
        await asyncio.sleep(self._faults.delay_seconds(request.path))
        failure = self._faults.failure(request.path)
        if failure is None:
            return None
        return Refusal(failure.status, "This failure was asked for by a test.").reply()

    async def _order(self, request: Request) -> Reply:
        """Take an order of faults: only when started for tests, and only from this machine."""
        if not self._settings.faults or not _is_loopback(request.client):
            return html.missing()
        try:
            if request.method == "POST":
                self._faults.add(msgspec.json.decode(await request.body(), type=Fault))
            elif request.method == "DELETE":
                self._faults.clear()
            elif request.method != "GET":
                raise not_found()
        except msgspec.DecodeError as error:
            return Refusal(422, str(error)).reply()
        except Refusal as refusal:
            return refusal.reply()
        return json_reply(200, self._faults.pending())

    def _site(self, request: Request) -> str:
        if self._settings.public_url:
            return self._settings.public_url.rstrip("/")
        host = request.headers.get("host", "")
        return f"http://{host if _HOST.fullmatch(host) else self._settings.host}"


def _installations(settings: Settings, clock: Clock) -> Installations | None:
    if not settings.app_id:
        return None
    key = Path(settings.app_public_key_file).read_text()
    return Installations(
        app_id=settings.app_id, public_key=key, clock=clock, entropy=secrets.token_bytes
    )


def _subject(request: Request) -> tuple[str, tuple[str, str]]:
    """Return which repository a request is about, and which permission of an App it needs."""
    matched = _REPOSITORY.fullmatch(request.path)
    if matched is None:
        return "", ("administration", "write")
    rest_ = matched["rest"] or ""
    if "git-receive-pack" in (rest_[1:], request.query.get("service")):
        return matched["name"], ("contents", "write")
    if rest_.endswith(("/info/refs", "/git-upload-pack")):
        return matched["name"], ("contents", "read")
    kind = "pull_requests" if rest_.startswith("/pulls") else "contents" if rest_ else "metadata"
    return matched["name"], (kind, "read" if request.method == "GET" else "write")


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
