"""The broker's client against a small gateway in this process."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import httpx
import msgspec
import pytest

from events import Blob
from services.worker.agent.failures.outage import Unreachable
from services.worker.effects.broker_client import BrokerClient, ClaimRefused, claim_attempt
from services.worker.ports import PullRequest, WorkspaceRefused
from services.worker.retry import RetryPolicy, RetrySettings
from services.worker.settings import Settings

SETTINGS = Settings(
    task_id="task_1",
    account_id="acc_1",
    attempt=2,
    claim_code="c0de",
    gateway_url="http://gateway",
    deadline=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=1),
)
PATIENCE = RetryPolicy(RetrySettings(seconds=1.0))
PULL_REQUEST = {"title": "T", "body": "B", "branch": "errand/task_1", "base": "main"}


class Gateway:
    """Keeps blobs; answers from `answers` first, where an exception is a broken connection."""

    def __init__(self):
        self.answers: list[httpx.Response | Exception] = []
        self.asked: list[httpx.Request] = []
        self.blobs: dict[str, bytes] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        name = request.url.path.removeprefix("/broker/blobs/")
        if request.method == "PUT":
            self.blobs[name] = request.content
            digest = sha256(request.content).hexdigest()
            return httpx.Response(
                200,
                json={
                    "key": f"tasks/task_1/{name}",
                    "size_bytes": len(request.content),
                    "sha256": digest,
                },
            )
        return httpx.Response(200, content=self.blobs[name])


def problem(status, detail="because", code="c"):
    body = {"type": "urn:errand:problem:c", "title": "No", "status": status}
    return httpx.Response(status, json={**body, "detail": detail, "code": code})


@pytest.fixture
def gateway():
    return Gateway()


@pytest.fixture
async def client(gateway):
    async with httpx.AsyncClient(
        base_url="http://gateway", transport=httpx.MockTransport(gateway)
    ) as opened:
        yield opened


@pytest.fixture
def broker(client):
    return BrokerClient(client, "t0ken", retry=PATIENCE)


async def test_bytes_go_to_the_object_store_and_come_back(gateway, broker):
    blob = await broker.put("snapshots/0001-abc.pack", b"PACK")

    assert blob == Blob("tasks/task_1/snapshots/0001-abc.pack", 4, sha256(b"PACK").hexdigest())
    assert await broker.get(blob.key) == b"PACK"
    assert {r.headers["authorization"] for r in gateway.asked} == {"Bearer t0ken"}


async def test_a_gateway_that_restarts_is_asked_again(gateway, broker):
    gateway.answers = [httpx.ConnectError("refused"), problem(503)]

    await broker.put("a", b"x")

    assert gateway.blobs == {"a": b"x"}
    assert len(gateway.asked) == 3


async def test_a_gateway_that_stays_away_is_given_up(gateway, broker):
    gateway.answers = [httpx.ConnectError("refused")] * 20

    with pytest.raises(Unreachable, match="The gateway did not answer.*refused") as caught:
        await broker.put("a", b"x")
    assert caught.value.reason == "gateway_unreachable"


@pytest.mark.parametrize("ask", ["put", "get"])
async def test_an_object_store_that_stays_away_is_named(gateway, broker, ask):
    gateway.answers = [problem(503, "gone", "object_store_unreachable") for _ in range(20)]

    with pytest.raises(Unreachable, match="The object store did not answer") as caught:
        await (broker.put("a", b"x") if ask == "put" else broker.get("tasks/task_1/a"))
    assert caught.value.reason == "object_store_unreachable"


async def test_a_token_that_holds_no_more_is_given_up_at_once(gateway, broker):
    gateway.answers = [problem(401, "the token has expired")]

    with pytest.raises(Unreachable, match="expired") as caught:
        await broker.get("tasks/task_1/a")
    assert caught.value.reason == "gateway_refused"
    assert len(gateway.asked) == 1


async def test_a_pull_request_is_opened(gateway, broker):
    gateway.answers = [httpx.Response(200, json={"number": 7, "url": "u", "created": True})]

    assert await broker.pull_request(**PULL_REQUEST) == PullRequest(7, "u")
    assert msgspec.json.decode(gateway.asked[0].content) == {**PULL_REQUEST, "draft": False}


async def test_a_forge_without_pull_requests_opens_none(gateway, broker):
    gateway.answers = [httpx.Response(204)]

    assert await broker.pull_request(**PULL_REQUEST) is None


@pytest.mark.parametrize(
    ("status", "reason"),
    [(403, "repository_refused"), (404, "repository_not_found"), (422, "repository_refused")],
)
async def test_a_forge_that_refuses_says_why(gateway, broker, status, reason):
    gateway.answers = [problem(status, "not yours")]

    with pytest.raises(WorkspaceRefused) as caught:
        await broker.pull_request(**PULL_REQUEST)

    assert caught.value.reason == reason
    assert "not yours" in caught.value.detail
    assert caught.value.remedy


async def test_a_forge_that_stays_away_is_unreachable(gateway, broker):
    gateway.answers = [problem(503, "it is down", "forge_unreachable") for _ in range(20)]

    with pytest.raises(WorkspaceRefused) as caught:
        await broker.pull_request(**PULL_REQUEST)

    assert caught.value.reason == "forge_unreachable"
    assert "The forge did not answer" in caught.value.detail


async def test_a_gateway_that_is_away_is_not_blamed_on_the_forge(gateway, broker):
    gateway.answers = [problem(503, "the database is down", "unavailable") for _ in range(20)]

    with pytest.raises(Unreachable, match="The gateway did not answer.*database"):
        await broker.pull_request(**PULL_REQUEST)


async def test_the_claim_is_made_with_the_one_time_code(gateway, client):
    gateway.answers = [
        problem(503),
        httpx.Response(
            200,
            json={
                "nats": {"url": "nats://n", "credentials": "creds"},
                "token": "t0ken",
                "account": "acc_1",
                "reader": "w-task_1-a2",
                "expires_at": "2026-01-01T01:00:00Z",
                "model_kind": "rehearsal",
            },
        ),
    ]

    claimed = await claim_attempt(client, SETTINGS, PATIENCE)

    assert claimed.token == "t0ken"
    assert claimed.nats.url == "nats://n"
    asked = msgspec.json.decode(gateway.asked[1].content)
    assert (asked["task"], asked["attempt"], asked["code"]) == ("task_1", 2, "c0de")


async def test_a_refused_claim_says_why(gateway, client):
    gateway.answers = [problem(403, "the code was used before")]

    with pytest.raises(ClaimRefused, match="used before"):
        await claim_attempt(client, SETTINGS, PATIENCE)


def test_settings_do_not_show_the_code():
    assert "c0de" not in repr(SETTINGS)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "k",
        "tasks/task_1",
        "tasks/task_1/",
        "tasks/task_1/../attempt",
        "tasks/task_1/a\x00b",
        "tasks/task_1/a\nb",
        "tasks/task_1/\N{SLIGHTLY SMILING FACE}",
        "tasks/task_1/" + "x" * 4000,
        "tasks/task_1/a?b=c",
        "tasks/task_1/a#b",
        "//////",
    ],
)
async def test_a_key_under_which_nothing_can_be_is_not_asked_for(broker, gateway, key):
    with pytest.raises(LookupError):
        await broker.get(key)
    assert not gateway.asked
