"""The supervisor, over programs small enough to see through."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from infra.local.process.child import FailedToStart, Program, Unhealthy
from infra.local.process.supervisor import Supervisor, supervised
from tests.kit.probe.eventually import eventually

PYTHON = sys.executable
SLEEPS = "import time; print('up', flush=True); time.sleep(600)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPS}"
HAS_CHILD = (
    "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time;"
    " time.sleep(600)'], start_new_session=True); print(p.pid, flush=True); p.wait()"
)


class SupervisorHarness:
    """A supervisor and what it said."""

    def __init__(self, supervisor: Supervisor, directory: Path, said: list[str]) -> None:
        self.supervisor = supervisor
        self.directory = directory
        self.said = said

    def program(self, name: str, code: str, **options: object) -> Program:
        """A program that is healthy once its log says something."""
        log = self.directory / f"{name}.log"

        async def spoke() -> None:
            if "up" not in log.read_text() and not log.read_text().strip().isdigit():
                raise Unhealthy("it said nothing")

        settings = {
            "environment": {},
            "directory": self.directory,
            "healthy": spoke,
            "stop_seconds": 0.5,
            **options,
        }
        return Program(name=name, command=(PYTHON, "-c", code), **settings)  # type: ignore[arg-type]


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[SupervisorHarness]:
    said: list[str] = []
    async with supervised(tmp_path, said.append) as supervisor:
        yield SupervisorHarness(supervisor, tmp_path, said)


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def test_a_program_that_dies_is_started_again_and_said_so(harness: SupervisorHarness) -> None:
    await harness.supervisor.start([harness.program("sleeper", SLEEPS)])
    before = harness.supervisor.pid("sleeper")
    harness.supervisor.kill("sleeper")
    await harness.supervisor.serving("sleeper")
    assert harness.supervisor.pid("sleeper") != before
    await eventually(lambda: len(harness.said), until=lambda count: count == 2)
    assert harness.said == [
        "sleeper ended (signal SIGKILL); starting it again.",
        "sleeper is up again.",
    ]


async def test_a_restart_returns_when_the_next_one_serves(harness: SupervisorHarness) -> None:
    await harness.supervisor.start([harness.program("sleeper", SLEEPS)])
    before = harness.supervisor.pid("sleeper")
    await harness.supervisor.restart("sleeper")
    assert harness.supervisor.pid("sleeper") != before
    assert is_gone(before)


async def test_a_halted_program_stays_down_until_resumed(harness: SupervisorHarness) -> None:
    await harness.supervisor.start([harness.program("sleeper", SLEEPS)])
    before = harness.supervisor.pid("sleeper")
    await harness.supervisor.halt("sleeper")
    assert is_gone(before)
    await harness.supervisor.resume("sleeper")
    assert not is_gone(harness.supervisor.pid("sleeper"))
    assert harness.said == []


async def test_a_program_that_ends_at_once_fails_with_its_last_words(
    harness: SupervisorHarness,
) -> None:
    broken = harness.program("broken", "import sys; sys.exit('no such table')")
    with pytest.raises(FailedToStart) as failure:
        await harness.supervisor.start([harness.program("sleeper", SLEEPS), broken])
    assert "broken ended at once (exit code 1)" in str(failure.value)
    assert "no such table" in str(failure.value)


async def test_a_program_that_never_serves_fails_with_what_its_probe_saw(
    harness: SupervisorHarness,
) -> None:
    mute = harness.program("mute", "import time; time.sleep(600)", start_seconds=0.5)
    with pytest.raises(FailedToStart, match=r"within 0\.5 s \(it said nothing\)"):
        await harness.supervisor.start([mute])
    assert is_gone(harness.supervisor.pid("mute"))


@pytest.mark.parametrize("code", [SLEEPS, DEAF], ids=["polite", "deaf"])
async def test_nothing_is_left_after_the_block(tmp_path: Path, code: str) -> None:
    async with supervised(tmp_path, print) as supervisor:
        harness = SupervisorHarness(supervisor, tmp_path, [])
        await supervisor.start([harness.program("first", code)], [harness.program("second", code)])
        pids = list(supervisor.pids().values())
        assert not any(map(is_gone, pids))
    assert all(map(is_gone, pids))


async def test_stages_are_stopped_backwards(tmp_path: Path) -> None:
    order = tmp_path / "order"
    code = (
        "import signal, sys, pathlib\n"
        "def told(*_):\n"
        f"  with open({str(order)!r}, 'a') as f: f.write(sys.argv[1])\n"
        "  sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, told); print('up', flush=True)\n"
        "while True: signal.pause()"
    )
    async with supervised(tmp_path, print) as supervisor:
        harness = SupervisorHarness(supervisor, tmp_path, [])
        programs = [harness.program(name, code, stop_seconds=5.0) for name in "abc"]
        named = [
            Program(
                name=p.name,
                command=(*p.command, p.name),
                environment={},
                directory=tmp_path,
                healthy=p.healthy,
            )
            for p in programs
        ]
        await supervisor.start([named[0]], [named[1]])
        await supervisor.start([named[2]])
    assert order.read_text() == "cba"


async def test_what_a_program_started_ends_with_it(tmp_path: Path) -> None:
    async with supervised(tmp_path, print) as supervisor:
        harness = SupervisorHarness(supervisor, tmp_path, [])
        await supervisor.start([harness.program("parent", HAS_CHILD)])
        grandchild = int((tmp_path / "parent.log").read_text())
        assert not is_gone(grandchild)
    await eventually(lambda: is_gone(grandchild))


async def test_an_error_of_the_block_arrives_as_itself(tmp_path: Path) -> None:
    async def fails() -> None:
        async with supervised(tmp_path, print):
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await fails()


async def test_being_cancelled_still_ends_every_program(tmp_path: Path) -> None:
    pids: list[int] = []
    up = asyncio.Event()

    async def live() -> None:
        async with supervised(tmp_path, print) as supervisor:
            harness = SupervisorHarness(supervisor, tmp_path, [])
            await supervisor.start([harness.program("sleeper", SLEEPS)])
            pids.append(supervisor.pid("sleeper"))
            up.set()
            await asyncio.Event().wait()

    living = asyncio.create_task(live())
    await up.wait()
    living.cancel()
    await asyncio.wait([living])
    assert living.cancelled()
    assert all(map(is_gone, pids))


SUPERVISES = """
import asyncio, sys
from pathlib import Path
from infra.local.process.child import Program
from infra.local.process.supervisor import supervised
async def healthy(): pass
async def main(logs):
    async with supervised(logs, print) as supervisor:
        code = "import time; time.sleep(600)"
        program = Program(name="sleeper", command=(sys.executable, "-c", code), environment={},
                          directory=logs, healthy=healthy)
        await supervisor.start([program])
        await asyncio.sleep(0.3)
        print(supervisor.pid("sleeper"), flush=True)
        await asyncio.Event().wait()
asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child to its parent's life")
async def test_programs_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [PYTHON, "-c", SUPERVISES, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as supervisor:
        assert supervisor.stdout is not None
        child = int(await asyncio.to_thread(supervisor.stdout.readline))
        assert not is_gone(child)
        os.kill(supervisor.pid, signal.SIGKILL)
        supervisor.wait()
    await eventually(lambda: is_gone(child))
