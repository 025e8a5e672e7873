"""Read model `machine`: one row per attempt, from the request for a machine to its cost."""

from collections.abc import Sequence

from events import (
    MachineDestroyed,
    MachineLost,
    MachineRefused,
    MachineRequested,
    MachineStarted,
    Recorded,
)
from services.projector.projections.table import Row, Table, storable

MACHINE = Table(
    "machine",
    ("task", "attempt"),
    (
        "task",
        "attempt",
        "account",
        "name",
        "machine",
        "region",
        "requested_at",
        "started_at",
        "start_seconds",
        "ended_at",
        "outcome",
        "billed_seconds",
        "cost_microusd",
    ),
)
FACTS = (MachineRequested, MachineStarted, MachineRefused, MachineLost, MachineDestroyed)


def project(recorded: Recorded) -> Sequence[Row]:
    """Project what became of an attempt's machine."""
    match recorded.event:
        case MachineRequested() as requested:
            changes: dict[str, object] = {
                "attempt": requested.attempt,
                "account": recorded.account,
                "name": requested.name,
                "region": requested.region,
                "requested_at": recorded.at,
            }
        case MachineStarted() as started:
            changes = {
                "attempt": started.attempt,
                "machine": started.machine,
                "region": started.region,
                "started_at": recorded.at,
                "start_seconds": started.seconds,
            }
        case MachineRefused(attempt=attempt, reason=reason):
            changes = {"attempt": attempt, "outcome": storable(f"refused: {reason}")}
        case MachineLost(attempt=attempt, reason=reason):
            lost = storable(f"lost: {reason}")
            changes = {"attempt": attempt, "outcome": lost, "ended_at": recorded.at}
        case MachineDestroyed() as gone:
            changes = {
                "attempt": gone.attempt,
                "ended_at": recorded.at,
                "billed_seconds": gone.billed_seconds,
                "cost_microusd": gone.cost_microusd,
            }
        case _:
            return []
    return [Row(MACHINE, {"task": recorded.task, **changes})]
