"""plan: write the list of what is to be done, for the person to see."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from events import PlanItem, PlanUpdated
from services.worker.ports import OnOutput, Sandbox
from services.worker.tools.tool import Outcome, Tool

_ITEMS = 50


class Plan(msgspec.Struct, frozen=True):
    """Arguments of `plan`."""

    items: Annotated[
        tuple[PlanItem, ...],
        Meta(max_length=_ITEMS, description="All items, in order; one at a time is active."),
    ]


async def run(_sandbox: Sandbox, arguments: Plan, _on_output: OnOutput) -> Outcome:
    """Take the plan as the new one."""
    return Outcome(output="Noted.", plan=PlanUpdated(items=arguments.items))


def title(arguments: Plan) -> str:
    """Return how far the plan has come."""
    done = sum(item.state == "done" for item in arguments.items)
    return f"Plan: {done} of {len(arguments.items)} done"


PLAN: Final = Tool(
    name="plan",
    description=(
        "Show the person your plan, and keep it up to date as you go. Each call replaces the whole "
        "plan. Use it for work of more than a few steps."
    ),
    arguments=Plan,
    title=title,
    run=run,
)
