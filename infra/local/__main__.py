"""`python -m infra.local run`: the whole of Errand on this machine, until Ctrl-C.

`python -m infra.local demo` shows one real task from end to end (`infra.local.demo.command`).
"""

import argparse
import asyncio
import importlib
import importlib.util
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import httpx
import msgspec

from infra.local.banner import banner
from infra.local.home import AlreadyRunning, inhabited
from infra.local.ports import PortTaken
from infra.local.process.child import FailedToStart
from infra.local.sandbox.registries import find_registries
from infra.local.settings import Settings, passed_on
from infra.local.stack import ListenAddress, running_stack
from infra.local.stack_file import registered
from infra.runtime import telemetry
from infra.runtime.clock import utc_now
from infra.runtime.settings import Misconfigured, read

_DEMO = "infra.local.demo.command"


def main(arguments: Sequence[str]) -> int:
    """Dispatch on the subcommand; answer the exit code."""
    telemetry.configure("stack", level="WARNING")
    if arguments[:1] == ["demo"] and importlib.util.find_spec(_DEMO) is not None:
        code: int = importlib.import_module(_DEMO).main(arguments[1:], os.environ)
        return code
    options = _options(arguments)
    try:
        asyncio.run(_run(options.directory, ListenAddress(host=options.host, port=options.port)))
    except asyncio.CancelledError:
        print("Stopped.", file=sys.stderr)
    except (AlreadyRunning, FailedToStart, Misconfigured, PortTaken) as error:
        sys.exit(str(error))
    except httpx.HTTPError as error:
        sys.exit(f"The gateway gave no pairing code: {error!r}. Its log is in the logs directory.")
    return 0


async def _run(directory: Path, listen: ListenAddress) -> None:
    """Keep the stack up until this task is cancelled."""
    _cancel_when_signalled()
    settings = read(Settings, os.environ)
    if not settings.egress_registries:
        found = await asyncio.to_thread(find_registries, os.environ)
        settings = msgspec.structs.replace(settings, egress_registries=",".join(found))
    with inhabited(directory, passed_on(os.environ)) as home:
        _say("Starting …")
        async with running_stack(home, settings, _say, clock=utc_now, listen=listen) as stack:
            pairing = await stack.pair()
            with registered(home.stack_file, os.environ, _say):
                print(banner(stack, pairing, now=utc_now()), flush=True)
                try:
                    await asyncio.Event().wait()
                finally:
                    _say("Stopping …")


def _cancel_when_signalled() -> None:
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    ends = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def cancel() -> None:
        for number in ends:  # the stop takes seconds; a second Ctrl-C must not break it off
            loop.add_signal_handler(number, _say, "Stopping already …")
        if task is not None:
            task.cancel()

    for number in ends:
        loop.add_signal_handler(number, cancel)


def _say(line: str) -> None:
    with suppress(OSError):  # the terminal may have been closed
        print(line, file=sys.stderr, flush=True)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="everything up, until Ctrl-C")
    run.add_argument("--directory", type=Path, default=Path(".errand"), help="where its data is")
    run.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets phones on your network in")
    run.add_argument("--port", type=int, default=0, help="the gateway's; any free one by default")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
