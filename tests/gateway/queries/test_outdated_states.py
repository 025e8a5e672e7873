"""A task whose stored state an older version folded is folded from the log when it is read."""

import msgspec

from events import BudgetRaised
from events.protocol.task_state import TaskState
from infra.stores.live_channels import state_key
from tests.kit.faults.outages import halted


async def old_state_in_redis(world, ada, task) -> None:
    state = (await ada.http.get(f"/v1/tasks/{task}")).json()
    for name in ("since", "budget", "budget_exhausted", "retry_at", "policy"):
        del state[name]
    assert msgspec.convert(state, TaskState).is_outdated
    await world.redis.hset(state_key(task), mapping={"state": msgspec.json.encode(state)})


async def test_a_state_of_an_older_version_is_completed_from_the_log(world, ada):
    task = await ada.submit(budget={"cost_microusd": 2_000_000}, policy="risky")
    await old_state_in_redis(world, ada, task)
    await world.append(ada.history(task), BudgetRaised(cost_microusd=500_000), by=ada.token[:5])

    state = (await ada.http.get(f"/v1/tasks/{task}")).json()

    assert state["version"] == 2
    assert state["budget"]["cost_microusd"] == 2_500_000
    assert state["budget"]["submitted"] == {"cost_microusd": 2_000_000}
    assert state["policy"] == "risky"
    assert state["since"] == state["submitted_at"]


async def test_a_state_of_an_older_version_is_better_than_none_while_the_log_is_away(
    world, ada, servers
):
    task = await ada.submit(budget={"cost_microusd": 2_000_000})
    await old_state_in_redis(world, ada, task)
    async with halted(servers, "nats"):
        state = (await ada.http.get(f"/v1/tasks/{task}")).json()

    assert (state["id"], state["budget"]) == (task, None)
