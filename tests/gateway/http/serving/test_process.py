"""The gateway as a process of its own: how it starts, and how it stops."""

import asyncio
import json
import signal
import time

import httpx
import pytest
from msgspec.structs import asdict

from infra.runtime.settings import Misconfigured, variables
from services.gateway.settings import (
    BrokerProcessSettings,
    Settings,
    read_forge_access,
    read_forges,
)
from tests.gateway.kit.process import environment, free_port, spawn
from tests.kit.probe.eventually import eventually
from tests.kit.run.gateway import OPERATOR, settings_for


async def test_it_serves_until_told_to_stop_and_then_leaves_at_once(servers, fresh_database):
    port = free_port()
    process = await spawn(environment(settings_for(servers, fresh_database, port)))
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:

            async def ready():
                try:
                    return (await http.get("/health/ready")).status_code
                except httpx.TransportError:
                    return 0

            await eventually(ready, until=lambda status: status == 200, seconds=60)
            headers = {"Authorization": f"Bearer {OPERATOR}"}
            assert (await http.post("/v1/pairings", headers=headers)).status_code == 201
        told = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, said = await asyncio.wait_for(process.communicate(), 20)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, said.decode()
    assert time.monotonic() - told < 10
    for secret in (OPERATOR, "sk-server", servers.s3.secret):
        assert secret not in said.decode()


async def test_what_is_missing_is_named_and_no_value_told():
    process = await spawn({"GATEWAY_PORT": "x", "OPERATOR_TOKEN": "hush"})
    _, said = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    assert said.decode().startswith("gateway: ")
    assert "hush" not in said.decode()


@pytest.mark.parametrize(
    "text",
    [
        "secret-token",
        '[{"kind": "svn", "url": "https://x"}]',
        '[{"kind": "github", "url": "https://x", "token": "secret-token"}]',
        '[{"kind": "git", "url": "ssh://x", "token": "secret-token"}]',
        '[{"kind": "git", "url": "https://me:secret-token@x"}]',
    ],
)
def test_forges_that_make_no_sense_are_refused_without_telling_their_tokens(text):
    with pytest.raises(Misconfigured, match="FORGES") as refused:
        read_forge_access(text)
    assert "secret-token" not in str(refused.value)


def test_the_gateway_reads_no_credential_of_a_forge():
    known = {"kind": "github", "url": "https://x", "api_url": "https://api.x"}
    text = json.dumps([{**known, "token": "secret-token", "app_id": "1", "app_key_file": "f"}])
    [forge] = read_forges(text)
    assert asdict(forge) == known
    [access] = read_forge_access(text)
    assert (access.url, access.token) == ("https://x", "secret-token")


@pytest.mark.parametrize("kind", [Settings, BrokerProcessSettings])
def test_settings_do_not_show_their_secrets(kind):
    assert "s3cret" not in repr(kind(**dict.fromkeys(variables(kind), "s3cret")))
