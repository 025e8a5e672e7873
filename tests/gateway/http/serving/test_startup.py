"""A gateway that waits for its servers: it ends at once when told to, and names a bad setting."""

import asyncio
import signal
from dataclasses import asdict

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from infra.local import ports
from tests.kit.faults.late_nats import late_nats
from tests.kit.probe.eventually import eventually
from tests.kit.run.gateway import settings_for
from tests.kit.run.service_processes import service


async def test_a_gateway_that_waits_ends_at_once_when_told_to(servers, fresh_database, tmp_path):
    async with late_nats(tmp_path / "nats") as nats:
        settings = asdict(settings_for(servers, fresh_database, 0, **nats.settings))
        async with service("gateway", tmp_path, settings) as running:
            await eventually(lambda: running.logs("nats.error"))
            running.process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(running.process.wait(), 5) == 0
    assert "Traceback" not in (tmp_path / "gateway.log").read_text()


async def test_a_stream_is_told_to_come_back_while_the_gateway_waits(
    servers, fresh_database, tmp_path
):
    async with late_nats(tmp_path / "nats") as nats:
        with ports.chosen(("gateway",), {}) as free:
            port = free["gateway"]
            given = settings_for(servers, fresh_database, port, **nats.settings)
            async with service("gateway", tmp_path, asdict(given)) as running:
                await eventually(lambda: running.logs("nats.error"))
                with pytest.raises(InvalidStatus) as refused:
                    await connect(f"ws://127.0.0.1:{port}/v1/stream")
    answer = refused.value.response
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert b"gateway_starting" in answer.body


async def test_a_setting_that_is_found_wrong_late_is_named(servers, fresh_database, tmp_path):
    settings = asdict(settings_for(servers, fresh_database, 0, account_secrets="short"))
    async with service("gateway", tmp_path, settings) as running:
        assert await asyncio.wait_for(running.process.wait(), 30) == 1
    assert (tmp_path / "gateway.log").read_text().splitlines()[-1].startswith("gateway: ")
