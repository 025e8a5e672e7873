"""The suite's four servers run in containers by testcontainers, where an engine has the images."""

from pathlib import Path

import pytest

from infra.local.home import inhabited
from infra.local.servers.provisioning import running_servers
from infra.runtime.clock import utc_now
from tests.kit.servers import containers
from tests.kit.servers.stack import plain_environment


@pytest.mark.docker
async def test_four_servers_run_in_containers_and_end_with_the_stack(tmp_path: Path) -> None:
    if reason := containers.missing():
        pytest.skip(reason)
    with inhabited(tmp_path / "four", plain_environment()) as home:
        async with running_servers(
            home, print, clock=utc_now, launcher=containers.in_container
        ) as (_, supervisor):
            names = sorted(containers.IMAGES)
            processes = {name: containers.container_pid(home, name) for name in names}
            before = processes["nats"]
            containers.kill_container(home, "nats")
            supervisor.kill("nats")
            await supervisor.serving("nats")
            after = containers.container_pid(home, "nats")
        left = [name for name in names if containers.is_present(home, name)]

    assert len(set(processes.values())) == len(names)
    assert after != before
    assert not left
