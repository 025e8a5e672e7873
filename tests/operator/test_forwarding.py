"""Events forwarded as webhooks: signed, in order, at least once, from a cursor that is kept."""

import asyncio
import hmac
import random
from base64 import b64decode, b64encode
from hashlib import sha256

import httpx
import msgspec
import pytest

from events import NOWHERE, TaskCancelled
from infra.log.jetstream import JetStreamLog
from infra.operator.analytics.cloud_event import secret_bytes, signature
from infra.operator.analytics.cursor import Cursor, CursorFile
from infra.operator.analytics.forwarding import (
    Endpoint,
    Forwarder,
    Misconfigured,
    Refused,
    read_endpoints,
)
from infra.runtime.clock import DraftFactory, utc_now
from tests.kit.build.event_logs import drafts, new_history
from tests.kit.fakes.webhook_receiver import receiving
from tests.kit.probe.eventually import eventually
from tests.kit.servers.nats_connections import as_role

SECRET = b"a secret of this test's own"


@pytest.fixture
async def log(servers):
    async with as_role(servers, "scheduler") as connection:
        yield JetStreamLog(connection)


@pytest.fixture
async def analyst(servers):
    async with as_role(servers, "analytics") as connection:
        yield connection


@pytest.fixture
async def receiver():
    async with receiving() as made:
        yield made


@pytest.fixture
def history():
    return new_history()


class Impatient(random.Random):
    """Chance that makes every pause short."""

    def uniform(self, _least, _most):
        return 0.01


@pytest.fixture
def forward(analyst, receiver, history, tmp_path):
    async def run(*, up_to=None, until=None, begin=None, **changes):
        known = {"name": "there", "url": receiver.url, "secret_variable": "X"}
        endpoint = Endpoint(**{**known, "account": history.account, **changes})
        forwarder = Forwarder(endpoint, SECRET, tmp_path, clock=utc_now, chance=Impatient())
        async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(20):
            return await forwarder.run(
                analyst, client, until=until or asyncio.Event(), up_to=up_to, begin=begin
            )

    return run


async def test_every_event_is_sent_once_and_in_order_over_two_runs(log, forward, receiver, history):
    head = await log.append(history, drafts("a", "b", "c"), after=NOWHERE)
    assert await forward(up_to=head.sequence) == 3
    head = await log.append(history, drafts("d"), after=head)
    assert await forward(up_to=head.sequence) == 1
    assert await forward(up_to=head.sequence) == 0
    assert receiver.versions == [1, 2, 3, 4]


def is_signed(delivery):
    headers = delivery.headers
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + delivery.body
    expected = b64encode(hmac.digest(SECRET, signed, sha256)).decode()
    return headers["webhook-signature"] == f"v1,{expected}"


@pytest.mark.parametrize("mode", ["structured", "binary"])
async def test_a_delivery_is_a_signed_cloud_event(log, forward, receiver, history, mode):
    head = await log.append(history, drafts("a"), after=NOWHERE)
    [recorded] = await log.read(history)
    await forward(up_to=head.sequence, mode=mode)
    [delivery] = receiver.deliveries
    assert is_signed(delivery)
    attributes = {
        "specversion": "1.0",
        "id": recorded.id,
        "source": f"urn:errand:{history.account}",
        "type": "errand.task.instructed",
        "subject": history.task,
        "time": recorded.at.isoformat().replace("+00:00", "Z"),
        "sequence": f"{recorded.sequence:020}",
    }
    if mode == "binary":
        assert delivery.headers["content-type"] == "application/json"
        assert delivery.body == recorded.body
        sent = {n[3:]: v for n, v in delivery.headers.items() if n.startswith("ce-")}
        assert sent == attributes
    else:
        assert delivery.headers["content-type"].startswith("application/cloudevents+json")
        content = msgspec.json.decode(delivery.body)
        assert content.pop("data") == msgspec.json.decode(recorded.body)
        assert content == {**attributes, "datacontenttype": "application/json"}


@pytest.mark.parametrize("status", [500, 503, 429, 408])
async def test_a_server_that_is_busy_is_asked_again(log, forward, receiver, history, status):
    head = await log.append(history, drafts("a", "b"), after=NOWHERE)
    receiver.answers = [(status, {}), (status, {"retry-after": "0"}), (200, {})]
    assert await forward(up_to=head.sequence) == 2
    assert receiver.versions == [1, 1, 1, 2]
    assert len({delivery.headers["webhook-id"] for delivery in receiver.deliveries}) == 2


async def test_a_server_that_is_away_is_waited_for(log, forward, history, tmp_path):
    head = await log.append(history, drafts("a"), after=NOWHERE)
    until = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        away = group.create_task(
            forward(up_to=head.sequence, until=until, url="http://127.0.0.1:9/")
        )
        await asyncio.sleep(0.3)  # so that it has tried; it must neither give up nor go on
        assert not away.done()
        until.set()
    assert away.result() == 0
    assert CursorFile(tmp_path / "there.json").read() is None


async def test_a_server_that_refuses_is_given_up_and_the_cursor_stays(
    log, forward, receiver, history
):
    head = await log.append(history, drafts("a", "b"), after=NOWHERE)
    receiver.answers = [(200, {}), (400, {})]
    with pytest.raises(Refused, match="refused event"):
        await forward(up_to=head.sequence)
    assert await forward(up_to=head.sequence) == 1
    assert receiver.versions == [1, 2, 2]


async def test_a_sequence_or_a_time_replays_from_there(log, forward, receiver, history):
    head = await log.append(history, drafts("a", "b", "c"), after=NOWHERE)
    await forward(up_to=head.sequence)
    second = (await log.read(history))[1]
    assert await forward(up_to=head.sequence, begin=second.sequence) == 2
    assert receiver.versions == [1, 2, 3, 2, 3]
    assert await forward(up_to=head.sequence, begin=utc_now()) == 0


async def test_only_the_wanted_types_are_sent(log, forward, receiver, history):
    head = await log.append(history, drafts("a"), after=NOWHERE)
    ended = DraftFactory(utc_now).drafts([TaskCancelled(reason="enough")], by="x")
    head = await log.append(history, ended, after=head)
    await forward(up_to=head.sequence, types=frozenset({"task.cancelled"}))
    assert [delivery.event["reason"] for delivery in receiver.deliveries] == ["enough"]


async def test_a_killed_forwarder_repeats_only_what_was_not_known_as_taken(
    log, forward, receiver, history
):
    head = await log.append(history, drafts(*"abcdef"), after=NOWHERE)
    receiver.answers = [(204, {}), (204, {}), (0, {})]
    async with asyncio.TaskGroup() as group:
        run = group.create_task(forward(up_to=head.sequence))
        await eventually(lambda: len(receiver.deliveries) == 3)
        run.cancel()
    assert await forward(up_to=head.sequence) == 4
    assert receiver.versions == [1, 2, 3, 3, 4, 5, 6]


async def test_a_cursor_of_another_log_is_refused(log, forward, history, tmp_path):
    head = await log.append(history, drafts("a"), after=NOWHERE)
    CursorFile(tmp_path / "there.json").keep(Cursor(1, DraftFactory(utc_now).now()))
    with pytest.raises(ValueError, match="cursor of another log"):
        await forward(up_to=head.sequence)


def test_a_damaged_cursor_says_what_to_do(tmp_path):
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(ValueError, match="delete it"):
        CursorFile(tmp_path / "x.json").read()


TOML = """
[[endpoint]]
name = "billing"
url = "https://billing.example/hook"
secret_variable = "BILLING_SECRET"
types = ["task.finished"]
mode = "binary"
"""


def test_endpoints_are_read_with_their_secrets_from_the_environment():
    secret = "whsec_" + b64encode(b"x" * 24).decode()
    [(endpoint, found)] = read_endpoints(TOML, {"BILLING_SECRET": secret}).items()
    assert (endpoint.name, endpoint.mode, found) == ("billing", "binary", b"x" * 24)


@pytest.mark.parametrize(
    ("text", "secret", "reason"),
    [
        (TOML, "", "The secret of billing, in BILLING_SECRET"),
        (TOML, "whsec_???", "not base64"),
        (TOML + TOML, "x" * 20, "one name"),
        (TOML.replace("https", "ftp"), "x" * 20, "neither https"),
        (TOML.replace("billing", "../x", 1), "x" * 20, "name"),
        (TOML + "colour = 1", "x" * 20, "colour"),
        ("nonsense", "x" * 20, "key"),
    ],
)
def test_endpoints_that_cannot_be_meant_are_refused_with_the_reason(text, secret, reason):
    with pytest.raises(Misconfigured, match=reason) as refusal:
        read_endpoints(text, {"BILLING_SECRET": secret})
    assert not secret or secret not in str(refusal.value)


def test_a_secret_is_read_as_standard_webhooks_has_it():
    assert secret_bytes("whsec_" + b64encode(b"k" * 32).decode()) == b"k" * 32
    assert secret_bytes("sixteen or more.") == b"sixteen or more."
    with pytest.raises(ValueError, match="shorter"):
        secret_bytes("whsec_" + b64encode(b"short").decode())


def test_the_signature_is_the_one_of_the_specification():
    # The example of Standard Webhooks 1.0 and its libraries.
    secret = b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = signature(
        secret,
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
