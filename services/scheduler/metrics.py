"""Metrics of the scheduler, for Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from events import MachineDestroyed, MachineStarted, SchedulerEvent
from services.scheduler.fleet.state import AttemptStage, Fleet


class Metrics:
    """The scheduler's metrics in one registry."""

    def __init__(self, registry: CollectorRegistry, fleet: Callable[[], Fleet]) -> None:
        self._facts = Counter(
            "errand_scheduler_facts", "Facts appended by the scheduler", ["type"], registry=registry
        )
        self._start_seconds = Histogram(
            "errand_machine_start_seconds", "Time to obtain a machine", registry=registry
        )
        self._machine_cost = Counter(
            "errand_machine_cost_microusd", "Cost of machines", registry=registry
        )
        machines = Gauge("errand_machines", "Machines that run, as far as known", registry=registry)
        machines.set_function(lambda: _in_stage(fleet(), AttemptStage.STARTED))
        waiting = Gauge("errand_tasks_waiting", "Open tasks without a machine", registry=registry)
        waiting.set_function(lambda: _waiting(fleet()))

    def count(self, fact: SchedulerEvent) -> None:
        """Count one fact."""
        self._facts.labels(type=fact.__struct_config__.tag).inc()
        match fact:
            case MachineStarted(seconds=seconds):
                self._start_seconds.observe(seconds)
            case MachineDestroyed(cost_microusd=cost):
                self._machine_cost.inc(cost)
            case _:
                pass


def _in_stage(fleet: Fleet, stage: AttemptStage) -> int:
    return sum(fleet.tasks[task].stage is stage for task in fleet.active)


def _waiting(fleet: Fleet) -> int:
    tasks = (fleet.tasks[task] for task in fleet.active)
    return sum(task.is_open and task.stage is not AttemptStage.STARTED for task in tasks)
