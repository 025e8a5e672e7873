"""The parts the benchmarks share: a whole stack, a phone, and order statistics."""

import asyncio
import resource
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from events import Recorded
from infra.local.settings import Settings
from tests.kit.run.phone import Phone, repository, signed_in
from tests.kit.servers.stack import RealStack, real_stack

MAX_SECONDS = 300


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of the values lie; values must not be empty."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def allow_open_files(count: int) -> None:
    """Let this process, and each that it starts, have so many files open.

    Raises SystemExit when the machine's hard limit is lower.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise SystemExit(
            f"This benchmark needs {count:,} open files per process, and the hard limit is {hard:,}"
            f". Raise it (`ulimit -Hn {count}` as root), then run it again."
        )
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


async def on_a_stack(
    work: Callable[[RealStack, Phone], Awaitable[dict[str, object]]],
    settings: Settings | None = None,
) -> dict[str, object]:
    """Run `work` against a whole stack of its own, with a phone that is signed in."""
    chosen = settings or Settings(sandbox="bubblewrap")
    with TemporaryDirectory() as directory, real_stack(Path(directory), chosen) as stack:
        phone = await signed_in(stack)
        async with phone.gateway, asyncio.timeout(MAX_SECONDS):
            return await work(stack, phone)


async def carried_out(stack: RealStack, phone: Phone, prompt: str) -> list[Recorded]:
    """Send one task for a fresh sample repository and return its events, as they arrived."""
    made = await repository(stack, "slugify")
    task = await phone.submit(prompt, made.url)
    return await phone.until_end(task["id"])


def say(line: str) -> None:
    """Print one line of progress."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
