"""Replay of recorded histories: the first step that today's worker would not take is named."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from events import (
    AccountId,
    ApprovalRequested,
    Blob,
    History,
    ModelReplied,
    ModelRequested,
    Recorded,
    TaskFinished,
    TaskId,
    ToolCompleted,
    ToolStarted,
    codec,
)
from services.worker.replay.check import Divergence, first_divergence
from services.worker.tools import toolbox
from services.worker.tools.bash import BASH
from tests.kit.build.worker_history import SUBMITTED
from tests.kit.fakes.worker_world import Bench, called
from tests.kit.paths import ROOT
from tests.kit.run.driven_workers import SUBMIT, WRITE, driven

RECORDED = sorted((ROOT / "clients" / "web" / "test" / "histories").glob("*.jsonl"))


def history_in(path: Path) -> list[Recorded]:
    lines = path.read_bytes().splitlines()
    history = History(AccountId(""), TaskId(json.loads(lines[0])["task"]))
    return [codec.decode(history, 0, line) for line in lines]


def changed(
    history: Sequence[Recorded], kind: type[Any], change: Callable[[Any], Any]
) -> tuple[int, list[Recorded]]:
    """Change the first event of a kind; return its version, and the history with the change."""
    found = next(each for each in history if isinstance(each.event, kind))
    other = replace(found, event=change(found.event))
    return found.version, [other if each is found else each for each in history]


async def worked() -> list[Recorded]:
    """The history of a worker of today, with digests of its prompts."""
    bench = Bench(called(WRITE), called(SUBMIT))
    await bench.append(SUBMITTED)
    await driven(bench)
    return bench.recorded


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_history_replays_without_a_difference(path: Path):
    assert first_divergence(history_in(path)) is None


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_an_event_that_no_worker_would_write_is_found_wherever_it_stands(path: Path):
    history = history_in(path)
    for place, each in enumerate(history):
        if isinstance(each.event, (ToolStarted, ModelReplied, ToolCompleted)):
            other = TaskFinished(summary="Nothing more to do.", outcome="no_changes")
            planted = [*history[:place], replace(each, event=other), *history[place + 1 :]]
            found = first_divergence(planted)
            assert found is not None
            assert found.version <= each.version


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (ToolStarted, lambda event: replace(event, title="Another title")),
        (ToolStarted, lambda event: replace(event, tree="0" * 40)),
        (ModelRequested, lambda event: replace(event, turn=7)),
        (ModelReplied, lambda event: replace(event, turn=7)),
        (TaskFinished, lambda event: replace(event, outcome="no_changes")),
    ],
)
async def test_a_fact_that_a_step_decides_is_compared(kind: Any, change: Callable[[Any], Any]):
    version, planted = changed(await worked(), kind, change)
    found = first_divergence(planted)
    assert found is not None
    assert found.version == version


def test_a_request_for_approval_is_compared():
    history = history_in(next(p for p in RECORDED if p.stem == "approval_allowed"))
    version, planted = changed(
        history, ApprovalRequested, lambda event: replace(event, digest="0" * 64)
    )
    found = first_divergence(planted)
    assert found is not None
    assert found.version == version


async def test_a_change_of_a_tools_text_is_found_at_the_first_request(
    monkeypatch: pytest.MonkeyPatch,
):
    history = await worked()
    other = [
        replace(tool, description="Runs things.") if tool is BASH else tool
        for tool in toolbox.TOOLS
    ]
    monkeypatch.setattr(toolbox, "TOOLS", other)
    replied = next(each for each in history if isinstance(each.event, ModelReplied))
    assert first_divergence(history) == Divergence(
        replied.version,
        "model.replied of turn 1",
        "ask the model with another list of tools, or other words in it",
    )


async def test_a_change_of_what_the_model_is_told_is_found_at_its_turn():
    version, planted = changed(
        await worked(), ToolCompleted, lambda event: replace(event, output="Something else")
    )
    found = first_divergence(planted)
    assert found is not None
    assert found.version > version
    assert (found.found, found.expected) == (
        "model.replied of turn 2",
        "ask the model with another last message",
    )


async def test_a_history_with_a_gap_or_without_the_blocks_of_a_reply_is_refused():
    history = await worked()
    blob = Blob(key="replies/1", size_bytes=1, sha256="0" * 64)
    _, without = changed(history, ModelReplied, lambda event: replace(event, blob=blob, blocks=()))
    with pytest.raises(ValueError, match="the blocks of the reply at version 5 are missing"):
        first_divergence(without)
    with pytest.raises(ValueError, match="version 2 is missing"):
        first_divergence([history[0], *history[2:]])
