"""Control groups of sandboxes whose workers live, and of those that were killed."""

import os
import secrets
import sys

import pytest

from services.worker.sandbox.limits.control_groups import PREFIX, ControlGroups, make_control_groups
from tests.kit.servers.sandboxes import running_sandbox


def made(name: str) -> ControlGroups:
    return make_control_groups(name, memory_bytes=1 << 30, processes=64)


async def test_the_groups_of_a_killed_worker_are_removed_and_those_of_a_live_one_stay():
    run = secrets.token_hex(4)
    dead, live = made(f"{PREFIX}{run}-dead"), made(f"{PREFIX}{run}-live")
    if not dead.directories:
        pytest.skip("control groups cannot be made here")
    for lock in dead.locks:  # as the kernel does when a process is killed
        os.close(lock)

    third = made(f"{PREFIX}{run}-new")

    assert not any(directory.exists() for directory in dead.directories)
    assert all(directory.exists() for directory in live.directories)
    for groups in (live, third):
        await groups.remove()
        assert not any(directory.exists() for directory in groups.directories)


@pytest.mark.skipif(sys.platform != "linux", reason="bubblewrap needs Linux")
async def test_an_attempt_on_its_way_out_takes_nothing_from_the_next_one_of_its_task():
    task = f"task_{secrets.token_hex(4)}"
    async with running_sandbox("bubblewrap", task=task) as following:
        async with running_sandbox("bubblewrap", task=task):
            pass
        ran = await following.execute(("echo", "still here"), timeout_seconds=20)

    assert ran.output.strip() == b"still here"
