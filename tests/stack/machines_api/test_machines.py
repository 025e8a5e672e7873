import os
import signal
import time

import psutil
import pytest

from tests.kit.probe.eventually import eventually
from tests.kit.servers.machines_api import SLEEP, local_machines
from tests.stack.machines_api.machines_client import MachinesClient

IGNORE_TERM = "signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); " + SLEEP
GUEST = {"cpu_kind": "shared", "cpus": 1, "memory_mb": 256}


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    with local_machines(tmp_path_factory.mktemp("machines")) as running:
        yield running


@pytest.fixture
async def http(api):
    async with api.client() as client:
        yield client
    api.no_faults()


@pytest.fixture
def app(request):
    """Names an app of the test's own, so that tests do not see each other's machines."""
    return request.node.name.replace("_", "-")[:60]


@pytest.fixture
def machines(http, app):
    return MachinesClient(http, f"/apps/{app}/machines")


def exit_event(machine):
    [event] = [e for e in machine["events"] if e["type"] == "exit"]
    return event["request"]["exit_event"]


def log_of(api, machine):
    path = api.directory / "logs" / f"{machine['id']}.log"
    return path.read_text() if path.exists() else ""


def processes_of(machine):
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("FLY_MACHINE_ID") == machine["id"]:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


async def test_a_machine_is_created_and_starts(machines):
    response = await machines.create(name="one")
    machine = response.json()
    assert response.status_code == 200
    assert machine["state"] == "created"
    assert len(machine["id"]) == 14
    assert len(machine["instance_id"]) == 26
    assert (await machines.wait(machine, "started")).json()["ok"] is True
    assert (await machines.get(machine))["state"] == "started"


async def test_events_stand_newest_first(machines):
    machine = await machines.started("pass")
    await eventually(lambda: machines.get(machine), until=lambda m: m["state"] == "stopped")
    events = (await machines.http.get(f"{machines.base}/{machine['id']}/events")).json()
    assert [e["status"] for e in events] == ["stopped", "started", "starting", "created"]
    limited = await machines.http.get(f"{machines.base}/{machine['id']}/events?limit=1")
    assert [e["type"] for e in limited.json()] == ["exit"]


async def test_a_machine_knows_what_fly_tells_it_and_nothing_of_our_environment(api, machines):
    machine = await machines.started(
        "print(sorted(os.environ), os.environ['FLY_MACHINE_ID'], os.getcwd(), flush=True)"
    )
    told = await eventually(lambda: log_of(api, machine))
    assert machine["id"] in told
    assert "FLY_API_TOKEN" not in told
    assert str(api.directory / "scratch" / machine["id"]) in told


async def test_a_name_is_unique_among_live_machines(machines):
    first = await machines.started(name="only")
    clash = await machines.create(name="only")
    assert clash.status_code == 409
    assert clash.json()["error"] == (
        f"already_exists: unique machine name violation, machine ID {first['id']} "
        'already exists with name "only"'
    )
    await machines.destroy(first, force="true")
    assert (await machines.create(name="only")).status_code == 200


async def test_an_auto_destroyed_machine_is_gone_when_its_process_ends(api, machines):
    machine = await machines.started("time.sleep(0.1); sys.exit(3)", auto_destroy=True)
    assert (await machines.wait(machine, "destroyed")).status_code == 200
    gone = await machines.get(machine)
    assert gone["state"] == "destroyed"
    seen = exit_event(gone)
    assert (seen["exit_code"], seen["requested_stop"], seen["oom_killed"]) == (3, False, False)
    assert await machines.list() == []
    assert await machines.list(include_deleted="true") == [machine["id"]]
    assert not (api.directory / "scratch" / machine["id"]).exists()


async def test_a_killed_process_is_told_as_a_signal(machines):
    machine = await machines.started(SLEEP, auto_destroy=True)
    [pid] = processes_of(machine)
    os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    await machines.wait(machine, "destroyed")
    assert time.monotonic() - began < 5
    seen = exit_event(await machines.get(machine))
    assert (seen["exit_code"], seen["signal"]) == (137, 9)


async def test_a_stop_is_polite_and_then_is_not(api, machines):
    machine = await machines.started(IGNORE_TERM)
    await eventually(lambda: "deaf" in log_of(api, machine))
    stop = await machines.post(machine, "stop", {"signal": "SIGTERM", "timeout": "300ms"})
    assert stop.json() == {"ok": True}
    assert (await machines.wait(machine, "stopped")).status_code == 200
    seen = exit_event(await machines.get(machine))
    assert (seen["signal"], seen["requested_stop"]) == (9, True)


async def test_a_stopped_machine_starts_again(machines):
    machine = await machines.started()
    await machines.post(machine, "stop", {})
    await machines.wait(machine, "stopped")
    assert (await machines.post(machine, "start")).json()["previous_state"] == "stopped"
    assert (await machines.wait(machine, "started")).status_code == 200


async def test_everything_a_machine_started_ends_with_it(machines):
    machine = await machines.started(
        "subprocess.Popen(['sleep', '600'], start_new_session=True); time.sleep(600)"
    )
    await eventually(lambda: len(processes_of(machine)) == 2)
    await machines.destroy(machine, force="true")
    assert processes_of(machine) == []


async def test_a_running_machine_is_destroyed_only_by_force(machines):
    machine = await machines.started()
    refused = await machines.destroy(machine)
    assert refused.status_code == 412
    assert (await machines.destroy(machine, force="true")).json() == {"ok": True}
    assert (await machines.get(machine))["state"] == "destroyed"
    assert (await machines.destroy(machine, force="true")).status_code == 200


async def test_a_machine_that_never_existed_is_not_found(machines):
    assert (await machines.http.get(f"{machines.base}/00000000000000")).status_code == 404
    assert (await machines.http.delete(f"{machines.base}/00000000000000")).status_code == 404


async def test_an_app_does_not_see_another_apps_machines(machines):
    machine = await machines.started()
    assert (await machines.http.get(f"/apps/other/machines/{machine['id']}")).status_code == 404


async def test_restart_on_failure_tries_again_and_then_rests(machines):
    machine = await machines.started(
        "sys.exit(1)", restart={"policy": "on-failure", "max_retries": 1}
    )
    done = await eventually(
        lambda: machines.get(machine),
        until=lambda m: (
            m["state"] == "stopped" and not m["events"][0]["request"]["exit_event"]["restarting"]
        ),
    )
    assert [e["type"] for e in done["events"]].count("exit") == 2


async def test_a_restart_policy_of_always_ends_with_the_machine(machines):
    machine = await machines.started("pass", restart={"policy": "always"})
    await eventually(
        lambda: machines.get(machine),
        until=lambda m: [e["type"] for e in m["events"]].count("exit") >= 2,
    )
    await machines.destroy(machine, force="true")
    assert (await machines.get(machine))["state"] == "destroyed"


async def test_metadata_is_listed_by_and_written(machines):
    machine = await machines.started(metadata={"task": "t1", "attempt": "1"})
    await machines.started(metadata={"task": "t2", "attempt": "1"})
    assert await machines.list(**{"metadata.task": "t1", "metadata.attempt": "1"}) == [
        machine["id"]
    ]
    written = await machines.post(machine, "metadata/colour", {"value": "blue"})
    assert written.status_code == 204
    metadata = (await machines.http.get(f"{machines.base}/{machine['id']}/metadata")).json()
    assert metadata == {"task": "t1", "attempt": "1", "colour": "blue"}


async def test_a_wait_that_is_too_long_is_refused(machines):
    machine = await machines.started()
    answer = await machines.wait(machine, "started", timeout=90)
    assert answer.status_code == 400
    assert "value must be inside range [1s, 1m0s]" in answer.json()["error"]


async def test_a_wait_that_is_not_met_times_out(machines):
    machine = await machines.started()
    answer = await machines.wait(machine, "destroyed", timeout=1)
    assert answer.status_code == 408
    assert answer.json()["error"] == (
        "deadline_exceeded: machine failed to reach desired state, destroyed, currently started"
    )


async def test_waiting_for_stopped_needs_the_instance(machines):
    machine = await machines.started()
    assert (await machines.wait(machine, "stopped", instance_id="")).status_code == 400


@pytest.mark.parametrize(
    ("config", "status", "words"),
    [
        ({"auto_destory": True}, 400, 'unknown field "auto_destory"'),
        ({"guest": {"cpus": 1, "memory": 256}}, 400, 'unknown field "memory"'),
        ({"guest": GUEST | {"memory_mb": 4096}}, 422, "invalid memory size 4096"),
        ({"guest": GUEST | {"cpu_kind": "quantum"}}, 422, "unknown cpu_kind"),
        ({"image": ""}, 400, "config.image is required"),
        ({"restart": {"policy": "sometimes"}}, 400, "sometimes"),
        ({"stop_config": {"timeout": "soon"}}, 400, 'invalid duration "soon"'),
        ({"mounts": [{"volume": "v", "path": "/v"}]}, 400, "config.mounts has no effect"),
    ],
)
async def test_a_configuration_that_makes_no_sense_is_refused(machines, config, status, words):
    answer = await machines.create(**config)
    assert answer.status_code == status
    assert words in answer.json()["error"]


async def test_a_command_that_cannot_run_is_a_failed_launch(tmp_path):
    with local_machines(tmp_path, WORKER_COMMAND='["/nowhere/worker"]') as api:
        async with api.client() as http:
            machines = MachinesClient(http, "/apps/workers/machines")
            machine = (await machines.create()).json()
            failed = await eventually(
                lambda: machines.get(machine), until=lambda m: m["state"] == "failed"
            )
            assert "failed to launch VM" in failed["events"][0]["request"]["error"]


async def test_nobody_is_let_in_without_the_token(api, http):
    del http.headers["Authorization"]
    answer = await http.get("/apps/workers/machines")
    assert answer.status_code == 401
    assert answer.headers["fly-request-id"]
    assert (await http.get(api.url.removesuffix("/v1") + "/health")).json() == {"ok": True}


async def test_a_body_that_is_no_object_is_refused_in_flys_words(machines):
    answer = await machines.http.post(machines.base, json=[])
    assert answer.status_code == 400
    assert "json: cannot unmarshal array into Go value" in answer.json()["error"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_restarted_api_has_forgotten_nothing_and_left_nothing(tmp_path, number):
    with local_machines(tmp_path) as api:
        async with api.client() as http:
            machines = MachinesClient(http, "/apps/workers/machines")
            lasting = await machines.started(name="lasting")
            fleeting = await machines.started(name="fleeting", auto_destroy=True)
            before = await machines.get(lasting)
        api.restart(number)
        async with api.client() as http:
            machines = MachinesClient(http, "/apps/workers/machines")
            stopped = await eventually(
                lambda: machines.get(lasting), until=lambda m: m["state"] == "stopped"
            )
            assert stopped["events"][-len(before["events"]) :] == before["events"]
            assert exit_event(stopped)["exit_code"] != 0
            await machines.wait(fleeting, "destroyed")
            assert exit_event(await machines.get(fleeting))["exit_code"] != 0
            assert processes_of(lasting) == processes_of(fleeting) == []
            assert (await machines.create(name="lasting")).status_code == 409


DEEP = """
at = os.open(".", os.O_RDONLY)
for _ in range({levels}):
    os.mkdir("d", dir_fd=at)
    at, above = os.open("d", os.O_RDONLY, dir_fd=at), at
    os.close(above)
os.mkdir("a\\nb", 0, dir_fd=at)
print("deep", flush=True)
"""


@pytest.mark.parametrize("levels", [3_000, 20_000])
async def test_a_machine_that_left_a_tree_of_any_depth_is_destroyed(api, machines, levels):
    machine = await machines.started(DEEP.format(levels=levels) + SLEEP)
    log = api.directory / "logs" / f"{machine['id']}.log"
    await eventually(lambda: "deep" in log.read_text())
    assert (await machines.destroy(machine, force="true")).status_code == 200
    assert (await machines.wait(machine, "destroyed")).status_code == 200
    assert not (api.directory / "scratch" / machine["id"]).exists()
    await eventually(lambda: not any((api.directory / "removed").iterdir()), seconds=60)
    assert api.process.poll() is None


async def test_an_api_that_was_killed_over_a_deep_tree_starts_again(tmp_path):
    with local_machines(tmp_path) as api:
        async with api.client() as http:
            machines = MachinesClient(http, "/apps/deep/machines")
            machine = await machines.started(DEEP.format(levels=3_000) + SLEEP, auto_destroy=True)
            log = tmp_path / "logs" / f"{machine['id']}.log"
            await eventually(lambda: "deep" in log.read_text())
        api.restart(signal.SIGKILL)
        async with api.client() as http:
            machines = MachinesClient(http, "/apps/deep/machines")
            assert (await machines.wait(machine, "destroyed")).status_code == 200
        assert not (tmp_path / "scratch" / machine["id"]).exists()
