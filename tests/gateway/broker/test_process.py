"""The broker as a process of its own: how it starts, and how it stops."""

import asyncio
import signal

import httpx

from tests.gateway.kit.process import environment, free_port, spawn
from tests.kit.probe.eventually import eventually
from tests.kit.run.gateway import CLAIM_SECRET, broker_settings_for
from tests.kit.run.service_processes import seen

BROKER = "services.gateway.broker"


async def test_it_serves_until_told_to_stop_and_shows_no_secret(servers, fresh_database):
    port = free_port()
    process = await spawn(environment(broker_settings_for(servers, fresh_database, port)), BROKER)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            await eventually(
                lambda: seen(http, "/health/ready"),
                until=lambda answer: answer is not None and answer.status_code == 200,
                seconds=60,
            )
            assert (await http.get("/broker/attempt")).status_code == 401
            assert (await http.get("/v1/about")).status_code == 404
        process.send_signal(signal.SIGTERM)
        _, said = await asyncio.wait_for(process.communicate(), 20)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, said.decode()
    for secret in (CLAIM_SECRET, "sk-server", servers.s3.secret):
        assert secret not in said.decode()


async def test_what_is_missing_is_named_and_no_value_told():
    process = await spawn({"BROKER_PORT": "x", "MODEL_API_KEY": "hush"}, BROKER)
    _, said = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    assert said.decode().startswith("broker: ")
    assert "hush" not in said.decode()
