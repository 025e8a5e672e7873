"""The streams are as documented, however often they are provisioned."""

import msgspec
import pytest

from infra.log.jetstream import provision
from infra.log.jetstream.connection import api
from infra.log.jetstream.connection.api import ApiError
from tests.kit.probe.stream_settings import stream_settings
from tests.kit.servers.nats_connections import as_admin, as_role


async def test_the_events_are_kept_for_ever_and_guarded(servers):
    async with as_admin(servers) as admin:
        settings = await stream_settings(admin, "EVENTS")
    assert settings["subjects"] == ["events.*.*"]
    assert settings["storage"] == "file"
    assert settings["max_age"] == 0
    assert settings["discard"] == "new"
    assert settings["discard_new_per_subject"]
    assert settings["max_msgs_per_subject"] == 20_000
    assert settings["max_msg_size"] == 256 * 1024
    assert settings["duplicate_window"] == 120 * 10**9
    assert settings["allow_direct"]
    assert settings["allow_atomic"]
    assert settings["deny_delete"]
    assert not settings["deny_purge"]


async def test_provisioning_again_changes_nothing(servers):
    async with as_admin(servers) as admin:
        before = await api.request(admin, "STREAM.INFO.EVENTS", {})
        await provision(servers.nats_url, servers.credentials("operator"))
        after = await api.request(admin, "STREAM.INFO.EVENTS", {})
    was, now = msgspec.json.decode(before), msgspec.json.decode(after)
    assert (was["config"], was["created"]) == (now["config"], now["created"])


async def test_provisioning_repairs_a_setting(servers):
    async with as_admin(servers) as admin:
        wrong = {**await stream_settings(admin, "DEADLETTERS"), "max_age": 3600 * 10**9}
        await api.request(admin, "STREAM.UPDATE.DEADLETTERS", wrong)
        await provision(servers.nats_url, servers.credentials("operator"))
        assert (await stream_settings(admin, "DEADLETTERS"))["max_age"] == 90 * 86400 * 10**9


async def test_an_event_cannot_be_deleted_even_by_the_admin(servers):
    async with as_admin(servers) as admin:
        with pytest.raises(ApiError, match="delete not permitted"):
            await api.request(admin, "STREAM.MSG.DELETE.EVENTS", {"seq": 1})


async def test_a_service_may_not_change_the_streams(servers):
    async with as_role(servers, "gateway") as gateway:
        with pytest.raises(Exception, match="did not answer"):
            await api.request(gateway, "STREAM.PURGE.EVENTS", {}, within_seconds=0.3)
