"""A decision for every field of every event: what people without an account see of it."""

from typing import get_args

import msgspec
import pytest

import events
from events import OperatorEvent, TaskEvent
from services.gateway.tasks.share_redaction import DECISIONS

EVERY = {*get_args(TaskEvent), OperatorEvent}
# The fields of what stands inside events: each was looked at in `gateway/tasks/share_redaction`.
NESTED = {
    events.ApprovalRule: {"verdict", "subject", "pattern"},
    events.Attachment: {"id", "media_type", "size_bytes", "sha256", "key", "name"},
    events.Blob: {"key", "size_bytes", "sha256"},
    events.Budget: {"cost_microusd", "turns", "wall_seconds"},
    events.EnvironmentDefinition: {
        "image",
        "setup",
        "start",
        "timeout_seconds",
        "cache_paths",
        "egress",
        "agent_egress",
        "allow",
        "env",
    },
    events.Guest: {"cpu_kind", "cpus", "memory_mb"},
    events.LeftOut: {"path", "reason", "files"},
    events.ForkOrigin: {"task", "version", "tree", "commit", "pack", "conversation"},
    events.PlanItem: {"text", "state"},
    events.PromptDigest: {"system", "tools", "message"},
    events.Repository: {"url", "base"},
    events.UndoneCall: {"call", "tool", "title"},
    events.Usage: {
        "input_tokens",
        "output_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
    },
}
REMEDY = "Decide in gateway/tasks/share_redaction.py whether a stranger with a link may see it."


def test_every_event_has_decisions():
    assert set(DECISIONS) == EVERY, REMEDY


@pytest.mark.parametrize("event", sorted(EVERY, key=lambda cls: cls.__name__))
def test_every_field_of_an_event_has_a_decision(event):
    assert set(DECISIONS[event]) == set(event.__struct_fields__), REMEDY


def test_every_field_inside_a_field_was_looked_at():
    found = {}
    for event in EVERY:
        for shape in msgspec.json.schema_components([event])[1]:
            kind = getattr(events, shape)
            if kind not in EVERY:
                found[kind] = set(kind.__struct_fields__)
    assert found == NESTED, REMEDY
