"""Whatever texts the context writes: an event of the worker fits, and nothing is lost."""

import msgspec
import pytest

from events import (
    ApprovalRequested,
    ArtifactStored,
    ModelFailed,
    ModelReplied,
    PlanItem,
    PlanUpdated,
    QuestionAsked,
    TaskFailed,
    TaskFinished,
    ToolCompleted,
    ToolInterrupted,
    ToolStarted,
    Usage,
)
from services.worker.agent.text.event_limits import MAX_EVENT_BYTES, fit
from tests.kit.build.worker_history import NOW, SUBMITTED
from tests.kit.fakes.worker_world import Bench, called, said
from tests.kit.run.driven_workers import driven

LONG = "<p>\U0001f600é" * 200_000


@pytest.mark.parametrize(
    "event",
    [
        ModelFailed(turn=1, kind="server_error", detail=LONG),
        PlanUpdated(items=(PlanItem(LONG, "active"),) * 50),
        QuestionAsked(request="r", call="c", text=LONG, options=(LONG,) * 500),
        TaskFinished(summary=LONG, outcome="branch"),
        TaskFailed(reason="r", detail=LONG, remedy=LONG),
        ToolStarted(call=LONG, tool=LONG, title=LONG),
        ToolCompleted(call="c", output=LONG, diff=LONG),
        ToolInterrupted(call="c", reason=LONG),
        ApprovalRequested("r", "c", LONG, LONG, "d", LONG, NOW, LONG, LONG),
    ],
)
def test_every_event_fits_and_stays_of_its_kind(event):
    fitting, _ = fit(event)

    assert type(fitting) is type(event)
    assert len(msgspec.json.encode(fitting)) <= MAX_EVENT_BYTES


def test_a_text_that_fits_is_left_as_it_is():
    for event in (TaskFinished(summary="done", outcome="branch"), ToolInterrupted("c", "é\n")):
        assert fit(event) == (event, None)


def test_half_a_surrogate_pair_is_replaced():
    fitting, _ = fit(TaskFinished(summary="a\ud83d", outcome="branch"))

    assert fitting.summary == "a\ufffd"


async def test_a_last_word_and_a_plan_that_are_cut_are_kept_whole_as_artifacts():
    items = [{"text": f"{n} " + "x" * 9_000, "state": "pending"} for n in range(50)]
    word = "All is well. " * 50_000
    bench = Bench(called(("c1", "plan", {"items": items})), said(word))
    await bench.append(SUBMITTED)

    await driven(bench)

    stored = {each.name: each.blob.key for each in bench.facts(ArtifactStored)}
    assert bench.blobs.stored[stored["summary.md"]].decode() == word.strip()
    assert b"49 xxx" in bench.blobs.stored[stored["plan.md"]]
    assert "summary.md" in bench.facts(TaskFinished)[0].summary
    assert all(len(msgspec.json.encode(r.event)) < 200 * 1024 for r in bench.recorded)


def test_a_long_reply_keeps_all_that_is_said_of_it():
    blocks = ({"type": "text", "text": "x" * 400_000},)
    reply = ModelReplied(
        turn=1, stop_reason="tool_use", usage=Usage(), cost_microusd=1, blocks=blocks, model="m"
    )
    assert fit(reply) == (reply, None)
