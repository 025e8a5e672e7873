"""Connecting: with a file, with a text, and with what is neither."""

import asyncio
import secrets

import pytest
from nats.aio.msg import Msg
from nats.errors import Error

from events import NOWHERE
from events.protocol.readers import reader_name
from infra.log.event_log import Unavailable
from infra.log.jetstream import AttemptLog, Connection, JetStreamLog, connect
from infra.log.nats_users import seed, service_user
from infra.runtime.clock import utc_now
from tests.kit.build.event_logs import drafts, new_history
from tests.kit.build.signing_keys import verifying
from tests.kit.probe.eventually import eventually
from tests.kit.servers.nats_connections import as_role, as_worker


async def test_credentials_may_be_a_path_or_its_text(servers):
    path = servers.credentials("gateway")
    for credentials in (path, str(path), path.read_text()):
        async with connect(servers.nats_url, credentials=credentials, name="test") as connection:
            await JetStreamLog(connection).info()


async def test_several_servers_may_be_named(servers):
    url = f"nats://127.0.0.1:9,{servers.nats_url}"
    async with connect(url, credentials=servers.credentials("gateway"), name="test") as connection:
        await JetStreamLog(connection).info()


async def test_what_is_no_credentials_text_is_refused_at_once(tmp_path):
    file = tmp_path / "some.creds"
    file.write_text("-----BEGIN NATS USER JWT-----\n")
    with pytest.raises(ValueError, match="not a NATS credentials text"):
        async with connect("nats://127.0.0.1:9", credentials=file, name="test"):
            pass


async def test_a_cancellation_that_comes_with_the_answer_is_obeyed(servers):
    async with as_role(servers, "gateway") as connection:
        asking = asyncio.create_task(JetStreamLog(connection).info())
        [answer] = await eventually(
            lambda: [*connection.client._resp_map.values()], every_seconds=0
        )
        answer.set_result(Msg(connection.client, data=b"{}"))
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking


async def test_a_stranger_is_told_why_he_is_not_let_in(servers):
    stranger = service_user(
        "gateway",
        account_seed=seed("account", secrets.token_bytes(32)),
        user_seed=seed("user", secrets.token_bytes(32)),
        now=utc_now(),
    )
    with pytest.raises(Unavailable, match="Authorization Violation"):
        async with connect(
            servers.nats_url, credentials=stranger, name="stranger", within_seconds=0.5
        ):
            pass


async def test_a_worker_whose_time_is_over_is_told_so(servers):
    history = new_history()
    async with as_worker(servers, history, seconds=2) as worker:
        log = AttemptLog(
            worker,
            history,
            reader_name(history.task, 1),
            verify=verifying(servers.event_keys, history),
            deadline_seconds=3,
        )
        await eventually(lambda: worker.is_closed)
        with pytest.raises(Unavailable, match="has ended"):
            await log.append(drafts("late"), after=NOWHERE)
        with pytest.raises(Unavailable, match="has ended"):
            await log.catch_up()


async def test_the_servers_own_words_outlast_a_broken_line():
    made = Connection("test")
    for error in (OSError("refused"), Error("nats: 'Authorization Violation'"), OSError("reset")):
        await made._on_error(error)
    assert made.last_error == "nats: 'Authorization Violation'"
    await made._on_reconnect()
    await made._on_error(OSError("reset"))
    assert made.last_error == "reset"
