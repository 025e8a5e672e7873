"""Run one server in a container, in the foreground: `python container_runner.py SPECIFICATION`.

Started by the supervisor in place of the server: signals are passed on, the output is the server's,
and when the server ends this process ends with its exit code. What a killed one has left under the
same name is removed first.
"""

import json
import signal
import sys
from contextlib import suppress
from types import FrameType

from docker.errors import APIError, NotFound
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient


def main(text: str) -> int:
    """Run the server that the JSON text specifies; return its exit code."""
    specification = json.loads(text)
    # This process removes the container, and the next run what a killed one has left.
    testcontainers_config.ryuk_disabled = True
    with suppress(NotFound):
        DockerClient().client.containers.get(specification["name"]).remove(force=True)
    program, *arguments = specification["command"]
    container = (
        DockerContainer(specification["image"])
        .with_name(specification["name"])
        .with_command(arguments)
        .with_envs(**specification["environment"])
        .with_kwargs(
            entrypoint=[program],
            labels=specification["labels"],
            network_mode="host",
            user=specification["user"],
            working_dir=specification["folders"][0],
        )
    )
    for folder in specification["folders"]:
        container.with_volume_mapping(folder, folder, "rw")

    def pass_on(number: int, _frame: FrameType | None) -> None:
        with suppress(APIError):  # it has ended already
            container.get_wrapped_container().kill(signal=number)

    with container:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, pass_on)
        running = container.get_wrapped_container()
        for part in running.logs(stream=True, follow=True):
            sys.stdout.buffer.write(part)
            sys.stdout.buffer.flush()
        return int(running.wait()["StatusCode"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
