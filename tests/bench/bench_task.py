"""`task`: tasks of 50 tool calls with a model that answers at once; wall time per call.

Wall time runs from the first model request to the end of the last tool call before `submit`: it
holds the loop, the log, the broker, the model's client, the tools in the sandbox and the snapshots,
and neither the start nor the delivery, which are the submit's own work. Nothing is subtracted.
`stages_p50_ms` are the parts of a call, `tools_p50_ms` the second last of them by tool.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from events import ModelReplied, ModelRequested, Recorded, ToolCompleted, ToolStarted
from infra.local.settings import Settings
from tests.bench.kit.instant_model import Call, instant_model
from tests.bench.kit.measure import carried_out, on_a_stack, percentile, say
from tests.kit.run.phone import Phone
from tests.kit.servers.stack import RealStack

CALLS, TASKS = 50, 3
_FILE = "measured.txt"
_KINDS: tuple[Call, ...] = (
    ("bash", {"command": f"echo written > {_FILE}"}),
    ("bash", {"command": f"cat {_FILE}"}),
    ("read", {"path": _FILE}),
    ("edit", {"path": _FILE, "old": "written", "new": "edited"}),
    ("bash", {"command": f"cat {_FILE}"}),
)
_SUBMIT: Call = ("submit", {"summary": "Done.", "title": "Measure", "body": "Measured."})
_STAGES = {
    (ModelRequested, ModelReplied): "model",
    (ModelReplied, ToolStarted): "until_tool_started",
    (ToolStarted, ToolCompleted): "tool",
    (ToolCompleted, ModelRequested): "until_model_requested",
}


async def run() -> dict[str, object]:
    calls = [_KINDS[number % len(_KINDS)] for number in range(CALLS)]
    async with instant_model([*calls, _SUBMIT]) as model:
        settings = Settings(
            sandbox="bubblewrap", anthropic_base_url=model.url, anthropic_api_key="key"
        )
        return await on_a_stack(_measure, settings)


async def _measure(stack: RealStack, phone: Phone) -> dict[str, object]:
    spans: list[float] = []
    stages: dict[str, list[float]] = defaultdict(list)
    tools: dict[str, list[float]] = defaultdict(list)
    for number in range(TASKS):
        steps = list(_steps(await carried_out(stack, phone, "Measure.")))
        spans.append(_seconds(steps[0], steps[-1]) / CALLS)
        for before, after in pairwise(steps):
            stages[_STAGES[type(before.event), type(after.event)]].append(_seconds(before, after))
            if isinstance(before.event, ToolStarted):
                tools[before.event.tool].append(_seconds(before, after))
        say(f"task {number + 1}: {spans[-1] * 1000:.2f} ms per call")
    return {
        "calls": CALLS,
        "tasks": TASKS,
        "ms_per_call": _milliseconds(spans),
        "stages_p50_ms": _medians(stages),
        "tools_p50_ms": _medians(tools),
        "must_reach_ms_per_call": 27,
    }


def _steps(history: Sequence[Recorded]) -> Iterator[Recorded]:
    """Yield what the model and the tools did, up to the end of the last call before `submit`."""
    kinds = ModelRequested | ModelReplied | ToolStarted | ToolCompleted
    submit = next(n for n, each in enumerate(history) if _is_submit(each))
    ends = (n for n, each in enumerate(history[:submit]) if isinstance(each.event, ToolCompleted))
    yield from (each for each in history[: max(ends) + 1] if isinstance(each.event, kinds))


def _is_submit(recorded: Recorded) -> bool:
    return isinstance(recorded.event, ToolStarted) and recorded.event.tool == "submit"


def _seconds(before: Recorded, after: Recorded) -> float:
    return (after.at - before.at).total_seconds()


def _medians(seconds: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {name: _milliseconds(values) for name, values in seconds.items()}


def _milliseconds(seconds: Sequence[float]) -> float:
    """Return the median, in milliseconds."""
    return round(percentile(seconds, 0.5) * 1000, 2)
