"""The gateway's broker, as a worker uses it: the claim, the object store, the forge.

Callers: `services.worker.main`. The gateway, the object store and the forge may be away during a
task, so what fails because they are away is sent again, as `services.worker.retry` allows.
"""

import ssl
from collections.abc import Callable, Sequence
from typing import Final

import httpx
import msgspec

from events import Blob
from events.protocol.broker import (
    BROKER_PATH,
    FORGE_RATE_LIMITED,
    FORGE_UNREACHABLE,
    OBJECT_STORE_UNREACHABLE,
    PULL_REQUEST_EMPTY,
    ClaimRequest,
    ClaimResponse,
    PullRequestRequest,
    PullRequestResponse,
    SignedEvent,
    VerifyEventsRequest,
    VerifyEventsResponse,
)
from events.protocol.problem import Problem
from infra.log.event_log import Unavailable
from infra.runtime.telemetry import logger
from infra.stores.object_keys import is_blob_name
from services.worker.agent.failures.outage import Outage, Unreachable
from services.worker.ports import NothingToMerge, PullRequest
from services.worker.retry import Backoff, RetryPolicy
from services.worker.settings import Settings
from services.worker.workspace.git_errors import pull_request_refused

_RATE_LIMIT_SECONDS: Final = 45.0  # a forge's limit may last an hour: the person hears of it
_VERIFY_SECONDS: Final = 5.0  # asked again for as long as the history is followed
_AWAY: Final[dict[str, Outage]] = {
    OBJECT_STORE_UNREACHABLE: "object_store_unreachable",
    FORGE_UNREACHABLE: "forge_unreachable",
}
_TIMEOUT: Final = httpx.Timeout(60.0, connect=5.0)

_log = logger(__name__)


class ClaimRefused(Exception):
    """The gateway gives this machine no credentials; the text says why."""


_NO_BLOB: Final = (httpx.codes.NOT_FOUND, httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY)


class BrokerClient:
    """The broker, to one attempt: `Blobs` and `Forge` of services.worker.ports."""

    def __init__(
        self, client: httpx.AsyncClient, token: str, *, retry: RetryPolicy | None = None
    ) -> None:
        self._client = client
        self._token = token
        self._retry = retry or RetryPolicy()

    async def put(self, name: str, content: bytes) -> Blob:
        """Store bytes under a name such as `snapshots/0007.pack`. Raises Unreachable."""
        answer = await self._ask(self._request("PUT", f"blobs/{name}", content=content))
        return msgspec.json.decode(answer.content, type=Blob)

    async def get(self, key: str) -> bytes:
        """Return the bytes under a Blob's key. Raises LookupError, Unreachable."""
        name = key.split("/", 2)[2]
        if not is_blob_name(name):
            raise LookupError(f"no blob can be under {key[:200]!r}")
        request = self._request("GET", f"blobs/{name}")
        answer = await _send_until_answered(self._client, request, self._retry.start())
        if answer.status_code in _NO_BLOB:
            raise LookupError(f"there is no blob under {key[:200]}")
        if not answer.is_success:
            raise _gateway_refused(answer)
        return answer.content

    async def holds(self) -> bool:
        """Return whether the attempt may go on; False only when the broker is certain."""
        try:
            answer = await self._client.send(self._request("GET", "attempt")())
        except httpx.TransportError:
            return True
        return answer.status_code != httpx.codes.UNAUTHORIZED

    async def verify(self, events: Sequence[SignedEvent]) -> Sequence[bool]:
        """Ask which events of the control plane are genuine. Raises Unavailable."""
        content = msgspec.json.encode(VerifyEventsRequest(tuple(events)))
        request = self._request("POST", "events/verify", content=content)
        try:
            wait = self._retry.start(max_seconds=_VERIFY_SECONDS)
            answer = await _send_until_answered(self._client, request, wait)
        except Unreachable as reason:
            raise Unavailable(str(reason)) from reason
        if not answer.is_success:
            raise Unavailable(
                f"The gateway does not say which events are genuine: {answer.status_code}: "
                f"{_problem(answer)}"
            )
        return msgspec.json.decode(answer.content, type=VerifyEventsResponse).genuine

    async def send(
        self, method: str, path: str, content: bytes = b"", *, max_seconds: float
    ) -> httpx.Response:
        """Send a request, again for at most so long while nothing answers. Raises Unreachable."""
        wait = self._retry.start(max_seconds=max_seconds)
        return await _send_until_answered(self._client, self._request(method, path, content), wait)

    async def pull_request(
        self, *, title: str, body: str, branch: str, base: str
    ) -> PullRequest | None:
        """Find, create or update the pull request; None when the forge has none.

        Raises NothingToMerge, WorkspaceRefused, Unreachable.
        """
        wanted = PullRequestRequest(title=title, body=body, branch=branch, base=base)
        request = self._request("POST", "forge/pull-request", content=msgspec.json.encode(wanted))
        try:
            answer = await _send_until_answered(self._client, request, self._retry.start())
        except Unreachable as away:
            if away.reason != FORGE_UNREACHABLE:
                raise
            raise pull_request_refused(
                httpx.codes.SERVICE_UNAVAILABLE, away.reason, away.detail, branch
            ) from away
        if answer.status_code == httpx.codes.NO_CONTENT:
            return None
        if answer.is_success:
            made = msgspec.json.decode(answer.content, type=PullRequestResponse)
            return PullRequest(made.number, made.url)
        code, detail = _problem_of(answer)
        if code == PULL_REQUEST_EMPTY:
            raise NothingToMerge(detail)
        raise pull_request_refused(answer.status_code, code, detail, branch)

    def _request(self, method: str, path: str, content: bytes = b"") -> Callable[[], httpx.Request]:
        """Return a factory of the request: a new one for each time it is sent."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        if method == "PUT":
            headers["Content-Type"] = "application/octet-stream"
        return lambda: self._client.build_request(
            method, f"{BROKER_PATH}/{path}", content=content or None, headers=headers
        )

    async def _ask(self, request: Callable[[], httpx.Request]) -> httpx.Response:
        answer = await _send_until_answered(self._client, request, self._retry.start())
        if not answer.is_success:
            raise _gateway_refused(answer)
        return answer


async def claim_attempt(
    client: httpx.AsyncClient, settings: Settings, retry: RetryPolicy
) -> ClaimResponse:
    """Trade the one-time code for credentials. Raises ClaimRefused, Unreachable."""
    asked = ClaimRequest(
        task=settings.task_id,
        account=settings.account_id,
        attempt=settings.attempt,
        code=settings.claim_code,
        machine=settings.fly_machine_id,
    )
    body = msgspec.json.encode(asked)
    answer = await _send_until_answered(
        client,
        lambda: client.build_request(
            "POST",
            f"{BROKER_PATH}/claim",
            content=body,
            headers={"Content-Type": "application/json"},
        ),
        retry.start(),
    )
    if not answer.is_success:
        raise ClaimRefused(f"{answer.status_code}: {_problem(answer)}")
    return msgspec.json.decode(answer.content, type=ClaimResponse)


def gateway_client(url: str) -> httpx.AsyncClient:
    """Make the client; to be closed. Proxies of the environment are not for the gateway."""
    # Certificates take 50 ms to read. A plain address needs none: it gets a context without any.
    verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if url.startswith("http://") else True
    return httpx.AsyncClient(base_url=url, timeout=_TIMEOUT, trust_env=False, verify=verify)


async def _send_until_answered(
    client: httpx.AsyncClient, request: Callable[[], httpx.Request], wait: Backoff
) -> httpx.Response:
    """Send until there is an answer that another try would not change.

    Raises Unreachable, which names what was away, when there is none before the retries end.
    """
    while True:
        reason: Outage = "gateway_unreachable"
        try:
            answer = await client.send(request())
        except httpx.TransportError as error:
            trouble = str(error) or type(error).__name__
        else:
            if not (answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS):
                return answer
            code, _ = _problem_of(answer)
            if code == FORGE_RATE_LIMITED and wait.waited_seconds > _RATE_LIMIT_SECONDS:
                return answer
            reason = _AWAY.get(code, reason)
            trouble = f"{answer.status_code}: {_problem(answer)}"
        if not await wait.pause():
            raise wait.error(reason, trouble)
        _log.warning("broker.waiting", reason=reason, trouble=trouble)


def _gateway_refused(answer: httpx.Response) -> Unreachable:
    trouble = f"{answer.status_code}: {_problem(answer)}"
    return Unreachable(
        "gateway_refused", f"The gateway does not do what this attempt needs: {trouble}"
    )


def _problem(answer: httpx.Response) -> str:
    code, detail = _problem_of(answer)
    return detail or code


def _problem_of(answer: httpx.Response) -> tuple[str, str]:
    """Return an answer's code and detail; of one that is no problem, only that it is none."""
    try:
        problem = msgspec.json.decode(answer.content, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        is_page = answer.content.lstrip()[:1] == b"<"
        what = "a web page" if is_page else "something else than the gateway's answer"
        return "", f"{what} came back ({answer.status_code})"
    return problem.code, problem.detail
