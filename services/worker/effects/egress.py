"""Egress beside the loop: the rules that the history asks for, and reports of denied hosts."""

import asyncio

from events.protocol.api.egress import EgressPhase, EgressRules
from infra.log.event_log import Conflict
from services.worker.agent.state import AgentState
from services.worker.effects.task_history import TaskHistory
from services.worker.ports import Egress


def egress_rules(state: AgentState) -> tuple[EgressRules, EgressPhase] | None:
    """Return the rules that hold as the history stands, and the phase of the attempt.

    None while the environment is set up: its own rules hold then, which are set with it.
    """
    if state.environment.is_due:
        return None
    prepared = state.environment.prepared
    if prepared is None:
        return EgressRules(allow=state.allowed_hosts), "agent"
    definition = prepared.definition
    allowed = (*definition.allow, *state.allowed_hosts)
    return EgressRules(policy=definition.agent_egress, allow=allowed), "agent"


async def keep_rules(history: TaskHistory, egress: Egress) -> None:
    """Let the proxy decide by what the history says, as it grows. Never returns."""
    before: tuple[EgressRules, EgressPhase] | None = None
    while True:
        changes = history.changes
        wanted = egress_rules(history.state)
        if wanted is not None and wanted != before:
            rules, phase = wanted
            egress.set_rules(rules, phase=phase)
        before = wanted
        await history.wait_for_change(changes)


async def report_denials(history: TaskHistory, egress: Egress) -> None:
    """Record what was denied, as long as the task is open. Never returns."""
    while True:
        denials = await egress.next_denials()
        while not history.state.lifecycle.is_closed:
            try:
                await history.append(denials)
                break
            except Conflict:
                continue  # the history has grown meanwhile: record it after that


async def follow_egress(history: TaskHistory, egress: Egress | None) -> None:
    """Keep the rules and report denials, until cancelled."""
    if egress is None:
        return
    async with asyncio.TaskGroup() as group:
        group.create_task(keep_rules(history, egress))
        group.create_task(report_denials(history, egress))
