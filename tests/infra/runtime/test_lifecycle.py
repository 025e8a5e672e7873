"""A process runs its loops and stops in order, with real signals to a real process."""

import signal
import subprocess
import sys
import textwrap
import time

import pytest

from infra.runtime.lifecycle import run_until_signalled

PROGRAM = """
import asyncio, sys
from infra.runtime.lifecycle import run_until_signalled

async def polite(stopping):
    print("up", flush=True)
    await stopping.wait()
    print("polite is done", flush=True)

async def stubborn(stopping):
    try:
        await asyncio.sleep(600)
    finally:
        print("stubborn was cut", flush=True)

async def broken(stopping):
    await asyncio.sleep(0.05)
    raise RuntimeError("a bug")

loops = [globals()[name] for name in sys.argv[2:]]
asyncio.run(run_until_signalled(*loops, grace_seconds=float(sys.argv[1])))
print("out", flush=True)
"""


def program(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def up(process: "subprocess.Popen[str]") -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_every_loop_finish(number: signal.Signals) -> None:
    with program("30", "polite") as process:
        up(process)
        process.send_signal(number)
        output, errors = process.communicate(timeout=20)

    assert output == "polite is done\nout\n"
    assert (process.returncode, errors) == (0, "")


def test_a_loop_that_does_not_finish_in_time_is_cut() -> None:
    with program("0.2", "polite", "stubborn") as process:
        up(process)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=20)

    assert output == "polite is done\nstubborn was cut\nout\n"
    assert (process.returncode, errors) == (0, "")
    assert time.monotonic() - began < 10


def test_a_loop_that_fails_takes_the_process_down() -> None:
    with program("30", "stubborn", "broken") as process:
        output, errors = process.communicate(timeout=20)

    assert output == "stubborn was cut\n"
    assert process.returncode == 1
    assert "a bug" in errors


async def test_it_ends_when_all_loops_have_ended() -> None:
    ended: list[str] = []

    async def one(_: object) -> None:
        ended.append("one")

    async def other(_: object) -> None:
        ended.append("other")

    await run_until_signalled(one, other, grace_seconds=1)

    assert sorted(ended) == ["one", "other"]
