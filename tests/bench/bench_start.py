"""`start`: from the submit's place in the log to the first model request, machines cold.

What is between: scheduler, Machines API, a process that starts, its claim, clone and sandbox.
"""

from events import ModelRequested
from tests.bench.kit.measure import carried_out, on_a_stack, percentile, say
from tests.kit.run.phone import Phone
from tests.kit.servers.stack import RealStack

TASKS = 12


async def run() -> dict[str, object]:
    return await on_a_stack(_measure)


async def _measure(stack: RealStack, phone: Phone) -> dict[str, object]:
    seconds = []
    for number in range(TASKS):
        events = await carried_out(stack, phone, "rehearse 1 tool calls")
        asked = next(r.at for r in events if isinstance(r.event, ModelRequested))
        seconds.append((asked - events[0].at).total_seconds())
        say(f"{number + 1:3d}  {seconds[-1]:.3f} s")
    return {
        "tasks": TASKS,
        "p50_ms": round(percentile(seconds, 0.5) * 1000, 1),
        "p99_ms": round(percentile(seconds, 0.99) * 1000, 1),
        "must_reach_p50_ms": 1500,
    }
