"""The broker's addresses. Only workers come here, each with the token of its one attempt."""

from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Final

from litestar import Response, Router, get, post, put, route
from litestar.params import FromPath, JSONBody
from litestar.response import Stream

from events import Blob, event_subject
from events.protocol.broker import (
    BROKER_PATH,
    ClaimRequest,
    ClaimResponse,
    ForgeRepository,
    PullRequestRequest,
    SignedEvent,
    VerifyEventsRequest,
    VerifyEventsResponse,
)
from infra.log.event_mac import EventKeys, parse_mac
from infra.stores.object_keys import blob_key, is_blob_name
from services.gateway.broker.accounting.spend_limits import LimitExceeded
from services.gateway.broker.assembly import Broker
from services.gateway.broker.attempts import TokenHolder
from services.gateway.broker.forge.access import AuthorizedPlace
from services.gateway.broker.git.proxy import SERVICES, GitRequest, GitResponse, said
from services.gateway.broker.git.push_inspection import PushPolicy
from services.gateway.broker.model.proxy import (
    MAX_BYTES,
    PATHS,
    ProxiedResponse,
    broke_answer,
    refusal,
)
from services.gateway.http.request_checks import AnyRequest, bearer
from services.gateway.http.routes.attempt_tokens import CurrentBroker, token_holder
from services.gateway.http.routes.broker_environment import BROKER_ENVIRONMENT
from services.gateway.problems import Refused, invalid, refused, unauthenticated
from services.gateway.tasks.repository_url import locate

MAX_BYTES_TO_VERIFY: Final = 512 * 1024
MAX_BLOB_BYTES: Final = 64 * 1024 * 1024
_KINDS: Final = {401: "authentication_error", 403: "permission_error", 409: "permission_error"}


@post("/claim", status_code=200)
async def claim(broker: CurrentBroker, data: JSONBody[ClaimRequest]) -> ClaimResponse:
    """Trade an attempt's one-time code for its credentials."""
    given = await broker.attempts.claim(data)
    return ClaimResponse(
        nats=given.nats,
        token=given.token,
        account=given.grant.history.account,
        reader=given.reader,
        expires_at=given.grant.expires_at,
        model_kind=broker.model_kind,
    )


@post("/model/{path:path}", status_code=200, request_max_body_size=MAX_BYTES)
async def model(request: AnyRequest, broker: CurrentBroker, path: FromPath[str]) -> Response[Any]:
    """Pass a model call through; every refusal has the Messages API's shape."""
    try:
        passed = await _model(request, broker, path.lstrip("/"))
    except Refused as refused_:
        problem = refused_.problem
        kind = _KINDS.get(problem.status, "overloaded_error")
        passed = refusal(problem.status, kind, problem.detail, details={"error_code": problem.code})
    return _stream(passed.status, passed.headers, passed.content)


async def _model(request: AnyRequest, broker: Broker, address: str) -> ProxiedResponse:
    holder = await token_holder(request, broker)
    if address not in PATHS:
        detail = f"The broker does not pass {address[:100]} on."
        return refusal(404, "not_found_error", detail)
    headers = {name.lower(): value for name, value in request.headers.items()}
    body, payer = await request.body(), holder.payer
    answer = await broker.model.call(address, headers, body, payer=payer)
    if isinstance(answer, LimitExceeded) and answer.scope == "cost":
        payer = await broker.attempts.payer_now(holder)  # its budget may just have been raised
        if payer != holder.payer:
            answer = await broker.model.call(address, headers, body, payer=payer)
    return broke_answer(answer) if isinstance(answer, LimitExceeded) else answer


@route(
    "/git/{repository:str}/{path:path}",
    http_method=["GET", "POST"],
    status_code=200,
    request_max_body_size=None,
)
async def git(
    request: AnyRequest, broker: CurrentBroker, repository: FromPath[str], path: FromPath[str]
) -> Response[Any]:
    """Pass git's smart HTTP through to the task's own repository."""
    answered = await _git(request, broker, repository, path.lstrip("/"))
    return _stream(answered.status, answered.headers, answered.content)


async def _git(request: AnyRequest, broker: Broker, repository: str, path: str) -> GitResponse:
    try:
        holder = await token_holder(request, broker)
    except Refused as refused_:
        challenge = {"WWW-Authenticate": 'Basic realm="errand"'}
        return said(refused_.problem.status, refused_.problem.detail, challenge)
    query = request.scope["query_string"].decode()
    service = query.removeprefix("service=") if path == "info/refs" else path
    if repository != f"{holder.history.task}.git" or service not in SERVICES:
        return said(404, "repository_not_found: this token opens its own task's repository only.")
    if (request.method == "GET") != (path == "info/refs"):
        return said(405, "Git asks for info/refs with GET, and for the rest with POST.")
    try:
        await broker.switches.check(holder.payer)
        place = await _place(broker, holder)
    except Refused as refused_:
        return _said(refused_)
    headers = {name.lower(): value for name, value in request.headers.items()}
    ask = GitRequest(request.method, path, query, headers, request.stream())
    terms = PushPolicy(holder.branch, partial(broker.attempts.task_now, holder))
    try:
        return await broker.git.pass_on(ask, place, terms)
    except Refused as refused_:
        return _said(refused_)


@post("/forge/pull-request", status_code=200)
async def pull_request(
    request: AnyRequest, broker: CurrentBroker, data: JSONBody[PullRequestRequest]
) -> Response[Any]:
    """Open or update the task's one pull request; 204 when the forge has none."""
    holder = await token_holder(request, broker)
    await broker.switches.check(holder.payer)
    if data.branch != holder.branch:
        raise invalid("branch_refused", "/branch", f"Only {holder.branch} may be proposed.")
    made = await broker.forge.pull_request(await _place(broker, holder), data)
    return Response(made, status_code=200) if made else Response(None, status_code=204)


@get("/forge/repository")
async def repository(request: AnyRequest, broker: CurrentBroker) -> ForgeRepository:
    """Return the forge's description of the task's repository."""
    holder = await token_holder(request, broker)
    return await broker.forge.repository(await _place(broker, holder))


@get("/attempt", status_code=204)
async def attempt(request: AnyRequest, broker: CurrentBroker) -> None:
    """Answer 204 while the attempt holds, 401 when it is over."""
    await token_holder(request, broker)


@put("/blobs/{name:path}", request_max_body_size=MAX_BLOB_BYTES)
async def put_blob(request: AnyRequest, broker: CurrentBroker, name: FromPath[str]) -> Blob:
    """Keep bytes in the task's corner of the object store."""
    holder = await token_holder(request, broker)
    key = _key(holder, name)
    content = await request.body()
    await broker.quota.count(holder.history, len(content))
    try:
        await broker.storage.put(key, content)
    except Refused:
        await broker.quota.take_off(holder.history, len(content))
        raise
    return Blob(key, len(content), sha256(content).hexdigest())


@get("/blobs/{name:path}")
async def get_blob(request: AnyRequest, broker: CurrentBroker, name: FromPath[str]) -> Stream:
    """Send bytes from the task's corner of the object store."""
    stored = await broker.storage.get(_key(await token_holder(request, broker), name))
    return Stream(
        stored.content,
        media_type="application/octet-stream",
        headers={"Content-Length": str(stored.size_bytes)},
    )


@post("/events/verify", status_code=200, request_max_body_size=MAX_BYTES_TO_VERIFY)
async def verify_events(
    request: AnyRequest, broker: CurrentBroker, data: JSONBody[VerifyEventsRequest]
) -> VerifyEventsResponse:
    """Return the genuine events of the token's own task; also after the attempt is over."""
    token = bearer(request)
    grant = await broker.attempts.grant(token) if token else None
    if grant is None:
        raise unauthenticated()
    subject, keys = event_subject(grant.history), broker.event_keys
    return VerifyEventsResponse(
        genuine=[_is_genuine(keys, subject, event) for event in data.events]
    )


def _is_genuine(keys: EventKeys, subject: str, event: SignedEvent) -> bool:
    if event.sequence <= keys.unsigned_up_to:
        return True
    mac = parse_mac(event.mac)
    return mac is not None and not keys.mac_objection(mac, subject, event.version, event.digest)


async def _place(broker: Broker, holder: TokenHolder) -> AuthorizedPlace:
    place = locate(holder.repository, broker.forges)
    return await broker.credentials.placed(holder.history.account, place)


def _said(refused_: Refused) -> GitResponse:
    """Return the refusal as a line git shows: an address that is no longer valid is a 404."""
    problem = refused_.problem
    if problem.status == HTTPStatus.UNPROCESSABLE_ENTITY:
        return said(404, f"repository_not_found: {problem.detail}")
    return said(problem.status, f"{problem.code}: {problem.detail}")


def _key(holder: TokenHolder, name: str) -> str:
    plain = name.lstrip("/")
    if not is_blob_name(plain):
        raise refused(400, "blob_name_refused", "A blob's name is like `snapshots/0007.pack`.")
    return blob_key(holder.history.task, plain)


def _stream(status: int, headers: Mapping[str, str], content: Any) -> Stream:  # noqa: ANN401 - any iterator
    others = {name: text for name, text in headers.items() if name != "content-type"}
    return Stream(
        content,
        status_code=status,
        media_type=headers.get("content-type", "application/octet-stream"),
        headers=others,
    )


BROKER: Final = (
    claim,
    attempt,
    verify_events,
    model,
    git,
    pull_request,
    repository,
    put_blob,
    get_blob,
    *BROKER_ENVIRONMENT,
)


def router() -> Router:
    """Make the routes under /broker; they are no part of the public API's description."""
    return Router(path=BROKER_PATH, route_handlers=list(BROKER), include_in_schema=False)
