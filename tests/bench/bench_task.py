"""`task`: a scripted task of 50 tool calls; its wall time over the sum of its tool and model times.

Wall time runs from the first model request to the end of the last tool call before `submit`, so
that it holds the loop, the log, the broker and the snapshots, and neither the start nor the
delivery: diff, push and pull request are the submit's own work.
"""

from events import ModelReplied, ModelRequested, Recorded, ToolCompleted, ToolStarted
from tests.bench.kit.measure import carried_out, on_a_stack, say
from tests.kit.run.phone import Phone
from tests.kit.servers.stack import RealStack

CALLS = 50


async def run() -> dict[str, object]:
    return await on_a_stack(_measure)


async def _measure(stack: RealStack, phone: Phone) -> dict[str, object]:
    history = await carried_out(stack, phone, f"rehearse {CALLS} tool calls")
    events = history[: next(n for n, r in enumerate(history) if _is_submit(r))]
    tools = [r.event.seconds for r in events if isinstance(r.event, ToolCompleted)]
    models = [r.event.seconds for r in events if isinstance(r.event, ModelReplied)]
    begun = next(r.at for r in events if isinstance(r.event, ModelRequested))
    ended = next(r.at for r in reversed(events) if isinstance(r.event, ToolCompleted))
    models.pop()  # the reply that asked for the submit, after the last call that counts
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
        "must_reach_overhead_ms_a_call": 12,
        "must_reach_ratio": 1.1,
    }


def _is_submit(recorded: Recorded) -> bool:
    return isinstance(recorded.event, ToolStarted) and recorded.event.tool == "submit"
