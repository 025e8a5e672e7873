"""`task`: a scripted task of 50 tool calls; its wall time over the sum of its tool and model times.

Wall time runs from the first model request to the last tool call's end, so that it holds the loop,
the log, the broker and the snapshots, and neither the start nor the delivery.
"""

from events import ModelReplied, ModelRequested, ToolCompleted
from tests.bench.measure import carried_out, on_a_stack, say
from tests.support.stack import RealStack
from tests.support.whole import Phone

CALLS = 50


async def run() -> dict[str, object]:
    return await on_a_stack(_measure)


async def _measure(stack: RealStack, phone: Phone) -> dict[str, object]:
    events = await carried_out(stack, phone, f"rehearse {CALLS} tool calls")
    tools = [r.event.seconds for r in events if isinstance(r.event, ToolCompleted)]
    models = [r.event.seconds for r in events if isinstance(r.event, ModelReplied)]
    begun = next(r.at for r in events if isinstance(r.event, ModelRequested))
    ended = [r.at for r in events if isinstance(r.event, ToolCompleted)][-1]
    wall = (ended - begun).total_seconds()
    work = sum(tools) + sum(models)
    overhead_ms = (wall - work) * 1000 / len(tools)
    say(f"{len(tools)} calls, {len(models)} turns, {wall:.2f} s wall, {work:.2f} s tools and model")
    return {
        "calls": len(tools),
        "seconds": round(wall, 3),
        "floor": round(work, 3),
        "ratio": round(wall / work, 3),
        "overhead_ms_a_call": round(overhead_ms, 2),
        "must_reach_overhead_ms_a_call": 25,
        "must_reach_ratio": 1.1,
    }
