"""`peers`: wall time of a tool call beside other agents, with one model that answers at once.

Each makes the same calls, `echo hello`, and the time runs at the model: from the first request to
the one that has all results. Errand works as always: a worker, a broker, a log that is written to
disk, a sandbox. The others run as they are on this machine, without any. A field is null where an
agent was skipped; `skipped` says why.
"""

from collections.abc import Callable
from pathlib import Path

from infra.local.settings import Settings
from tests.bench.kit.instant_model import Call, instant_model
from tests.bench.kit.measure import carried_out, on_a_stack, say
from tests.bench.kit.peers import Peer, Skipped, cache, carry_out, claude, installed, mini
from tests.kit.run.phone import Phone
from tests.kit.servers.stack import RealStack

CALLS = 50
_COMMAND = {"command": "echo hello"}
_SUBMIT: Call = ("submit", {"summary": "Done.", "title": "Measure", "body": "Measured."})
_PEERS: dict[str, Callable[[Path], Peer]] = {"claude": claude, "mini": mini}


async def run() -> dict[str, object]:
    skipped = {"openhands": "there is no way to start it here yet"}
    found: dict[str, float | None] = {"errand": await _errand(), "openhands": None}
    for name, make in _PEERS.items():
        try:
            found[name] = await _peer(name, make)
        except Skipped as reason:
            found[name], skipped[name] = None, str(reason)
    for name, figure in found.items():
        say(f"{name:10s} {'skipped' if figure is None else f'{figure:.1f} ms per call'}")
    fields = {f"{name}_ms_per_call": figure for name, figure in found.items()}
    return {
        "calls": CALLS,
        **fields,
        "skipped": skipped,
        "must_reach": "at most claude_ms_per_call",
    }


async def _errand() -> float | None:
    async with instant_model([*[("bash", _COMMAND)] * CALLS, _SUBMIT]) as model:

        async def work(stack: RealStack, phone: Phone) -> dict[str, object]:
            await carried_out(stack, phone, "Measure.")
            return {}

        settings = Settings(
            sandbox="bubblewrap", anthropic_base_url=model.url, anthropic_api_key="key"
        )
        await on_a_stack(work, settings)
        return _milliseconds(model.seconds_per_call(CALLS))


async def _peer(name: str, make: Callable[[Path], Peer]) -> float | None:
    home = cache() / name
    peer = make(home)
    program = await installed(name, peer, home)
    last: list[Call] = [(peer.tool, {"command": peer.last})] if peer.last else []
    async with instant_model([*[(peer.tool, _COMMAND)] * CALLS, *last]) as model:
        await carry_out(name, program, peer, model.url)
        seconds = model.seconds_per_call(CALLS)
    if seconds is None:
        raise Skipped(f"{name}: it made {max(model.told_at, default=0)} of {CALLS} calls")
    return _milliseconds(seconds)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)
