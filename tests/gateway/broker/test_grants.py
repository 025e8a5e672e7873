"""Workers' requests to the broker, over real HTTP: credentials, blobs, and a token's end."""

import asyncio

import nats.errors
import pytest

from events import MachineRequested, TaskCancelled, TaskFinished, TaskId
from infra.log.jetstream import connect
from infra.log.nats_users import inbox_prefix
from tests.gateway.kit.problems import is_problem
from tests.kit.probe.eventually import eventually
from tests.kit.run.gateway import a_world


@pytest.fixture
async def attempt(ada, world):
    return await world.attempt(ada.history(await ada.submit()))


@pytest.fixture
async def worker(world, attempt):
    return await world.worker(attempt)


async def test_an_attempt_claims_its_credentials_once(world, attempt):
    nobody = await world.broker_client()
    answer = await nobody.post("/broker/claim", json=attempt.claim())
    assert answer.status_code == 200, answer.text
    claimed = answer.json()
    task = attempt.history.task
    assert claimed["account"] == attempt.history.account
    assert claimed["reader"] == f"w-{task}-a1"
    assert inbox_prefix(claimed["nats"]["credentials"]) == f"_INBOX_w-{task}-a1"
    assert claimed["model_kind"] == "anthropic"
    is_problem(await nobody.post("/broker/claim", json=attempt.claim()), 403, "claim_refused")


async def test_two_machines_that_claim_at_once_get_one_credential(world, attempt):
    nobody = await world.broker_client()
    async with asyncio.TaskGroup() as group:
        claims = [
            group.create_task(nobody.post("/broker/claim", json=attempt.claim(machine=f"m{n}")))
            for n in range(4)
        ]
    assert sorted(claim.result().status_code for claim in claims) == [200, 403, 403, 403]


async def test_the_credentials_open_the_log_for_this_task_only(world, attempt):
    nobody = await world.broker_client()
    claimed = (await nobody.post("/broker/claim", json=attempt.claim())).json()
    access = claimed["nats"]
    async with connect(access["url"], credentials=access["credentials"], name="w") as connection:
        own = f"events.{attempt.history.account}.{attempt.history.task}"
        answer = await connection.client.request(own, b"no JSON", timeout=5, headers={})
        assert answer.data  # JetStream answered: it was let through
        other = own[:-1] + ("a" if own[-1] != "a" else "b")
        with pytest.raises(nats.errors.Error):
            await connection.client.request(other, b"x", timeout=0.3)


@pytest.mark.parametrize(
    "change",
    [
        {"code": "x" * 40},
        {"code": ""},
        {"attempt": 2},
        {"task": "task_" + "a" * 26},
        {"task": ">"},
        {"account": "acc_" + "a" * 26},
        {"account": "*"},
    ],
)
async def test_a_claim_that_is_not_true_is_refused(world, attempt, change):
    nobody = await world.broker_client()
    answer = await nobody.post("/broker/claim", json=attempt.claim(**change))
    is_problem(answer, 403, "claim_refused")
    assert (await nobody.post("/broker/claim", json=attempt.claim())).status_code == 200


async def test_an_older_attempt_claims_nothing(world, attempt):
    await world.attempt(attempt.history, 2)
    nobody = await world.broker_client()
    is_problem(await nobody.post("/broker/claim", json=attempt.claim()), 403, "claim_refused")


async def test_an_attempt_past_its_deadline_claims_nothing(ada, world):
    late = await world.attempt(ada.history(await ada.submit()), seconds=-1)
    nobody = await world.broker_client()
    is_problem(await nobody.post("/broker/claim", json=late.claim()), 403, "claim_refused")


async def test_a_claim_on_an_ended_task_is_refused(world, attempt):
    await world.append(attempt.history, TaskCancelled(), by="person:per_a")
    nobody = await world.broker_client()
    is_problem(await nobody.post("/broker/claim", json=attempt.claim()), 403, "claim_refused")


async def test_a_claim_without_an_account_waits_for_the_read_model(world, attempt):
    nobody = await world.broker_client()
    claim = {name: value for name, value in attempt.claim().items() if name != "account"}
    is_problem(await nobody.post("/broker/claim", json=claim), 503, "unavailable")


async def test_blobs_are_kept_in_the_tasks_own_corner(worker, attempt):
    content = b"\0pack" * 100_000
    answer = await worker.put("/broker/blobs/snapshots/0007.pack", content=content)
    assert answer.status_code == 200, answer.text
    stored = answer.json()
    assert stored["key"] == f"tasks/{attempt.history.task}/snapshots/0007.pack"
    assert stored["size_bytes"] == len(content)
    got = await worker.get("/broker/blobs/snapshots/0007.pack")
    assert got.content == content
    is_problem(await worker.get("/broker/blobs/snapshots/0008.pack"), 404, "not_found")


@pytest.mark.parametrize("name", ["..%2f..%2fx", "a/%2e%2e/b", ".hidden", "a b", "a" * 120])
async def test_strange_blob_names_are_refused(worker, name):
    for answer in (
        await worker.put(f"/broker/blobs/{name}", content=b"x"),
        await worker.get(f"/broker/blobs/{name}"),
    ):
        assert answer.status_code in (400, 404)
        assert answer.json()["code"] in ("blob_name_refused", "not_found")


BROKERED = [
    ("PUT", "/broker/blobs/x", 401),
    ("GET", "/broker/blobs/x", 401),
    ("GET", "/broker/forge/repository", 401),
    ("POST", "/broker/forge/pull-request", 401),
    ("POST", "/broker/model/v1/messages", 401),
    ("GET", "/broker/git/{task}.git/info/refs?service=git-upload-pack", 401),
]


async def refused_everywhere(client, task):
    payload = {"title": "t", "body": "b", "branch": f"errand/{task}", "base": "main"}
    for method, path, status in BROKERED:
        body = payload if "pull-request" in path else {}
        answer = await client.request(method, path.replace("{task}", task), json=body)
        assert answer.status_code == status, (path, answer.text)


async def test_without_a_token_nothing_is_brokered(world, attempt):
    for token in ("", "x", "errand_broker_x"):
        await refused_everywhere(await world.broker_client(token), attempt.history.task)


async def test_a_session_is_no_broker_token_and_the_other_way_round(world, ada, attempt, worker):
    await refused_everywhere(await world.broker_client(ada.token), attempt.history.task)
    token = worker.headers["authorization"].removeprefix("Bearer ")
    at_the_gateway = await world.client(token)
    is_problem(await at_the_gateway.get("/v1/me"), 401, "unauthenticated")


async def test_gateway_and_broker_serve_nothing_of_each_other(world, ada, attempt, worker):
    nobody = await world.client()
    is_problem(await nobody.post("/broker/claim", json=attempt.claim()), 404, "not_found")
    is_problem(await worker.get("/v1/about"), 404, "not_found")
    is_problem(await worker.get("/docs"), 404, "not_found")
    assert (await worker.get("/health/live")).json() == {"status": "ok", "parts": {}}
    ready = (await worker.get("/health/ready")).json()
    assert ready == {
        "status": "ok",
        "parts": dict.fromkeys(("nats", "postgres", "object_store"), "ok"),
    }


@pytest.mark.parametrize("end", ["finished", "replaced", "cancelled"])
async def test_a_token_dies_with_its_attempt(world, attempt, worker, end):
    assert (await worker.put("/broker/blobs/x", content=b"x")).status_code == 200
    if end == "replaced":
        await world.attempt(attempt.history, 2)
    else:
        finished = TaskFinished(summary="", outcome="branch")
        event = finished if end == "finished" else TaskCancelled()
        await world.append(attempt.history, event)

    async def asked():
        return (await worker.get("/broker/blobs/x")).status_code

    await eventually(asked, until=lambda status: status == 401, seconds=6)
    await refused_everywhere(worker, attempt.history.task)


async def test_a_token_outlives_a_gateway_and_not_its_task(servers, fresh_database):
    async with a_world(servers, fresh_database) as first:
        ada = await first.person("ada")
        attempt = await first.attempt(ada.history(await ada.submit()))
        token = (await first.worker(attempt)).headers["authorization"].removeprefix("Bearer ")
    async with a_world(servers, fresh_database) as second:
        worker = await second.broker_client(token)
        assert (await worker.put("/broker/blobs/x", content=b"x")).status_code == 200
        task = attempt.history.task
        other = TaskId(task[:-1] + ("e" if task[-1] == "a" else "a"))
        answer = await worker.get(f"/broker/git/{other}.git/info/refs?service=git-upload-pack")
        assert answer.status_code == 404


def test_the_attempt_of_a_test_is_what_the_scheduler_writes():
    assert set(MachineRequested.__struct_fields__) >= {"attempt", "deadline"}


async def test_a_task_keeps_so_many_objects_and_bytes_and_no_more(servers, fresh_database):
    limits = {"blobs_per_task": 5, "blob_bytes_per_task": 1000}
    async with a_world(servers, fresh_database, **limits) as world:
        ada = await world.person("ada")
        tasks = [await ada.submit() for _ in range(2)]
        workers = [await world.worker(await world.attempt(ada.history(task))) for task in tasks]

        async def put(worker, number, size):
            return (await worker.put(f"/broker/blobs/b{number}", content=b"x" * size)).status_code

        at_once = await asyncio.gather(*(put(workers[0], n, 10) for n in range(20)))
        assert sorted(at_once)[5:] == [413] * 15
        assert all(status < 300 for status in sorted(at_once)[:5])
        answer = await workers[0].put("/broker/blobs/more", content=b"x")
        assert is_problem(answer, 413, "task_storage_full")["retryable"] is False
        assert await put(workers[1], 1, 1001) == 413
        assert await put(workers[1], 1, 999) < 300
        assert await put(workers[1], 2, 2) == 413
        assert await put(workers[1], 2, 1) < 300
