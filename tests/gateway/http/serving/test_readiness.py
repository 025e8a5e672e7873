"""Readiness names the part without which no work can be done, with the real servers halted."""

import asyncio

import pytest

from infra.log.event_log import Unavailable
from services.gateway.http.serving.readiness import Readiness
from tests.kit.faults.outages import halted
from tests.kit.probe.eventually import eventually


async def _away():
    raise ConnectionError("gone")


async def _well():
    return


@pytest.mark.parametrize(
    ("name", "part", "status", "code"),
    [
        ("storage", "object_store", "unavailable", 503),
        ("postgres", "postgres", "unavailable", 503),
        ("nats", "nats", "unavailable", 503),
        ("redis", "redis", "degraded", 200),
    ],
)
async def test_a_server_that_is_away_is_named(world, servers, name, part, status, code):
    nobody = await world.client()

    async def ready():
        return await nobody.get("/health/ready")

    async with halted(servers, name):
        told = await eventually(
            ready, until=lambda answer: answer.json()["parts"][part] != "ok", seconds=30
        )
        assert (told.status_code, told.json()["status"]) == (code, status)
    await eventually(ready, until=lambda answer: answer.json()["status"] == "ok", seconds=30)


async def test_one_look_serves_all_who_ask():
    looked = []

    async def count():
        looked.append(1)

    readiness = Readiness({"nats": count}, {})
    async with asyncio.TaskGroup() as group:
        for _ in range(50):
            group.create_task(readiness.health())
    assert len(looked) == 1


async def test_a_part_that_hangs_is_not_waited_for():
    async def hang():
        await asyncio.Event().wait()

    readiness = Readiness({"nats": hang, "postgres": _well}, {}, check_seconds=0.05)
    health = await readiness.health()
    assert health.parts == {"nats": "does not answer", "postgres": "ok"}
    assert health.status == "unavailable"


async def test_what_only_saves_time_degrades():
    assert (await Readiness({"nats": _well}, {"redis": _away}).health()).status == "degraded"


async def test_a_log_that_cannot_store_is_unavailable():
    async def full():
        raise Unavailable("Nothing could be appended a moment ago: no answer")

    health = await Readiness({"nats": full}, {}).health()
    assert "appended" in health.parts["nats"]
