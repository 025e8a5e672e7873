"""Packs of set-ups, as workers keep and read them through the broker."""

from hashlib import sha256

import pytest

from events import ToolStarted
from events.protocol.api.environments import repository_id
from tests.gateway.kit.problems import is_problem
from tests.kit.run.gateway import REPOSITORY, a_world

KEY = "a" * 64
OTHER_KEY = "b" * 64
PARTS = (b"one" * 1000, b"two")
PATH = f"/v1/repositories/{repository_id(REPOSITORY)}/environment"


def found(key=KEY, source="detected"):
    return {
        "source": source,
        "reason": "detected from uv.lock",
        "definition": {"setup": "uv sync"},
        "key": key,
    }


def named(parts=PARTS):
    return {"parts": [{"size_bytes": len(p), "sha256": sha256(p).hexdigest()} for p in parts]}


async def worker_of(person, **task):
    history = person.history(await person.submit(**task))
    return await person.world.worker(await person.world.attempt(history)), history


async def stored(worker, key=KEY, parts=PARTS):
    for number, part in enumerate(parts):
        answer = await worker.put(f"/broker/environment/{key}/{number}", content=part)
        assert answer.status_code == 200, answer.text
    answer = await worker.post(f"/broker/environment/{key}", json=named(parts))
    assert answer.status_code == 204, answer.text


async def looked_up(worker, key=KEY):
    answer = await worker.post("/broker/environment", json=found(key))
    assert answer.status_code == 200, answer.text
    return answer.json()["parts"]


async def test_a_pack_that_one_task_stored_is_read_by_the_next(ada):
    first, history = await worker_of(ada)
    assert await looked_up(first) == []
    await stored(first)
    second, _ = await worker_of(ada)
    assert await looked_up(second) == named()["parts"]
    for number, part in enumerate(PARTS):
        assert (await second.get(f"/broker/environment/{KEY}/{number}")).content == part
    is_problem(await second.get(f"/broker/environment/{KEY}/2"), 404, "not_found")

    shown = (await ada.http.get(PATH)).json()
    assert (shown["source"], shown["reason"]) == ("detected", "detected from uv.lock")
    assert shown["definition"] == {"setup": "uv sync"}
    [pack] = shown["packs"]
    assert (pack["key"], pack["size_bytes"], pack["task"]) == (KEY, 3003, history.task)
    assert pack["uses"] == 1


async def test_a_pack_counts_once_its_parts_are_named(ada):
    worker, _ = await worker_of(ada)
    await worker.put(f"/broker/environment/{KEY}/0", content=PARTS[0])
    assert await looked_up(worker) == []
    is_problem(await worker.get(f"/broker/environment/{KEY}/0"), 404, "not_found")


async def test_packs_are_of_one_account_and_one_repository(ada, bob):
    mine, _ = await worker_of(ada)
    await stored(mine)
    other, _ = await worker_of(ada, url="https://github.com/ada/other")
    theirs, _ = await worker_of(bob)
    for worker in (other, theirs):
        assert await looked_up(worker) == []
        is_problem(await worker.get(f"/broker/environment/{KEY}/0"), 404, "not_found")


async def test_nothing_is_kept_once_a_tool_call_has_begun(ada, world):
    worker, history = await worker_of(ada)
    await world.append(history, ToolStarted(call="c1", tool="bash", title="x"))
    refused = await worker.put(f"/broker/environment/{KEY}/0", content=b"x")
    is_problem(refused, 409, "environment_used")
    refused = await worker.post(f"/broker/environment/{KEY}", json=named())
    is_problem(refused, 409, "environment_used")
    assert await looked_up(worker) == []


async def test_a_dropped_pack_is_gone_with_its_objects(ada):
    worker, _ = await worker_of(ada)
    await stored(worker)
    await stored(worker, OTHER_KEY)
    dropped = await ada.http.delete(f"{PATH}/packs", params={"key": KEY})
    assert dropped.json() == {"dropped": 1}
    assert await looked_up(worker) == []
    assert await looked_up(worker, OTHER_KEY)
    assert (await ada.http.delete(f"{PATH}/packs")).json() == {"dropped": 1}
    assert await looked_up(worker, OTHER_KEY) == []


async def test_a_pack_that_is_stored_again_takes_the_place_of_the_first(ada):
    first, _ = await worker_of(ada)
    await stored(first)
    second, _ = await worker_of(ada)
    await stored(second, parts=(b"new",))
    assert await looked_up(first) == named((b"new",))["parts"]
    assert (await first.get(f"/broker/environment/{KEY}/0")).content == b"new"


async def test_beyond_the_limit_the_least_recently_used_packs_go(servers, fresh_database):
    async with a_world(servers, fresh_database, environment_bytes_per_account=5000) as world:
        ada = await world.person("ada")
        worker, _ = await worker_of(ada)
        keys = [digit * 64 for digit in "123"]
        await stored(worker, keys[0], (b"1" * 2000,))
        await stored(worker, keys[1], (b"2" * 2000,))
        assert await looked_up(worker, keys[0])  # the second is now the least recently used
        await stored(worker, keys[2], (b"3" * 2000,))
        kept = {pack["key"] for pack in (await ada.http.get(PATH)).json()["packs"]}
        assert kept == {keys[0], keys[2]}
        await stored(worker, keys[1], (b"4" * 6000,))  # larger than all that may be kept
        assert keys[1] not in {p["key"] for p in (await ada.http.get(PATH)).json()["packs"]}


@pytest.mark.parametrize("path", ["x/0", f"{KEY}/256", f"{KEY}/-1", f"{KEY}%2f../0", f"{KEY}/x"])
async def test_strange_keys_and_numbers_are_not_found(ada, path):
    worker, _ = await worker_of(ada)
    answer = await worker.put(f"/broker/environment/{path}", content=b"x")
    assert answer.status_code == 404, answer.text


async def test_without_a_token_nothing_is_kept_or_read(world):
    nobody = await world.broker_client("errand_broker_x")
    for method, path in (("GET", f"{KEY}/0"), ("PUT", f"{KEY}/0")):
        answer = await nobody.request(method, f"/broker/environment/{path}")
        is_problem(answer, 401, "unauthenticated")
    is_problem(await nobody.post("/broker/environment", json=found()), 401, "unauthenticated")
