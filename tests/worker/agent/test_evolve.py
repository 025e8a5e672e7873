"""Every type of event has its handler, so that a new one is not folded into nothing unnoticed."""

from typing import get_args

import msgspec
import pytest

from events import PlanUpdated, TaskArchived, TaskEvent, ToolStarted
from services.worker.agent.evolve import HANDLERS, evolve
from tests.kit.build.worker_history import ASKED, BASH, folded, history, replied


def test_every_type_of_event_has_a_handler():
    assert set(HANDLERS) == set(get_args(TaskEvent))


@pytest.mark.parametrize(
    ("event", "changed"),
    [
        (TaskArchived(), {"position"}),
        (PlanUpdated(items=()), {"position"}),
        (ToolStarted(call="b", tool="bash", title="ls"), {"position", "calls"}),
    ],
)
def test_an_event_changes_its_own_groups_and_no_other(event, changed):
    recorded = history(*ASKED, replied(BASH), event)
    before = folded(recorded[:-1])

    after = evolve(before, recorded[-1])

    fields = msgspec.structs.fields(before)
    assert changed == {
        f.name for f in fields if getattr(after, f.name) is not getattr(before, f.name)
    }
