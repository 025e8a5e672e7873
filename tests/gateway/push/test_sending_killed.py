"""Gateways that die while sending: every push is sent, and repeated only where nobody can know."""

import asyncio
import os
import random

from tests.gateway.push.conftest import ASKED

PUSHES = int(os.environ.get("PUSHES", "20"))
SEED = int(os.environ.get("SEED", "1"))


async def killed(rig, gateway, chance):
    """Send as a gateway that dies some steps after it has called the push service once more."""
    calls = rig.outside.services.asked
    before = calls["web"]
    sending = asyncio.create_task(rig.send(gateway))
    while calls["web"] == before and not sending.done():
        await asyncio.sleep(0)
    for _ in range(chance.randrange(300)):
        await asyncio.sleep(0)
    sending.cancel()
    await asyncio.wait([sending])


async def test_every_push_is_sent_and_repeated_only_where_a_gateway_died_on_it(rig):
    chance = random.Random(SEED)
    ada = await rig.person("ada", "ada")
    browser, device = await rig.browser(ada)
    async with rig.following():
        for _ in range(PUSHES):
            task = await rig.task(ada)
            version = await rig.say(task, ASKED)
        await rig.known(task, version)
        rig.clock.move(seconds=4)
        for round_ in range(PUSHES):
            await killed(rig, round_ % 2, chance)
            rig.clock.move(seconds=31)
        while await rig.send():
            rig.clock.move(seconds=31)
    log = []
    after = ""
    while after is not None:
        page = await rig.push.delivery_log.page(ada, device.id, after=after, limit=200)
        log += page.data
        after = page.next
    sent = [read["notification"]["data"]["push"] for read in rig.outside.to(browser)]
    assert {push.id for push in log} == set(sent)
    assert len(log) == PUSHES
    for push in log:
        unknown = [a for a in push.attempts if a.status is None]
        assert push.state == "accepted"
        assert 1 <= sent.count(push.id) <= 1 + len(unknown)
    print(f"{PUSHES} pushes, {len(sent) - PUSHES} repeated")
