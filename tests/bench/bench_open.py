"""`open`: a phone opens a task of 10,000 events by docs/reference/protocol.md, twice.

It says hello, subscribes from version 0, receives `behind`, fetches pages of 500 and subscribes
again until it has all. `first_cpu_seconds` and `second_cpu_seconds` are what the gateway's process
used of a core: the first time it reads and verifies the whole history, the second time it knows
where each event stands.
"""

import httpx

from tests.bench.kit.delivery_path import Busy, delivery_path
from tests.bench.kit.measure import say
from tests.kit.run.opened_task import at_rest, cpu_seconds, grow, open_task

EVENTS = 10_000


async def run() -> dict[str, object]:
    async with delivery_path() as road:
        [[seat]] = await road.people(1)
        task = Busy(road.log, seat.account, 0)
        await task.begin()
        await grow(road.log, task.history, EVENTS)
        say(f"a task has {EVENTS:,} events")
        await at_rest(road.gateway)
        address = road.address
        async with httpx.AsyncClient(
            base_url=f"http://{address.host}:{address.port}",
            headers={"Authorization": f"Bearer {seat.token}"},
            timeout=60,
            trust_env=False,
        ) as http:
            spent = []
            for _ in range(2):
                before = cpu_seconds(road.gateway)
                got = await open_task(http, seat.token, task.history.task, EVENTS)
                spent.append(round(cpu_seconds(road.gateway) - before, 2))
                if got != list(range(1, EVENTS + 1)):
                    raise AssertionError("the phone did not get every event once, in order")
    first, second = spent
    return {
        "first_cpu_seconds": first,
        "second_cpu_seconds": second,
        "events": EVENTS,
        "must_reach": {"first_cpu_seconds": 0.5, "second_cpu_seconds": 0.5},
    }
