"""Thinking blocks are bound to the model and to all that came before them."""

import copy
from pathlib import Path
from typing import Any

import anthropic
import pytest
from anthropic import AsyncAnthropic

from tests.kit.build.model_requests import EPHEMERAL, SMALL_LOAD, text
from tests.kit.run.rehearsal_model import Agent, Workspace, rehearsal_model, running_model, sdk

__all__ = ["rehearsal_model", "sdk"]


async def two_turns(sdk: AsyncAnthropic, tmp_path: Path) -> Agent:
    """An agent that has the signed thoughts of two turns in its history."""
    worker = Agent(sdk, Workspace(tmp_path))
    worker.messages.append({"role": "user", "content": SMALL_LOAD})
    for _ in range(2):
        worker.answer(await worker.turn())
    assert worker.messages[1]["content"][0]["type"] == "thinking"
    return worker


async def test_a_history_as_it_was_given_is_accepted_however_it_is_cut(
    sdk: AsyncAnthropic, tmp_path: Path
) -> None:
    worker = await two_turns(sdk, tmp_path)
    worker.messages[0]["content"] = [text(SMALL_LOAD, cache_control=EPHEMERAL)]
    worker.messages[-1]["content"][0]["cache_control"] = EPHEMERAL
    assert (await worker.turn()).stop_reason == "tool_use"


async def test_a_thought_that_nothing_follows_is_refused(
    sdk: AsyncAnthropic, tmp_path: Path
) -> None:
    worker = await two_turns(sdk, tmp_path)
    worker.messages[1]["content"] = worker.messages[1]["content"][:1]
    worker.messages[2]["content"] = "Go on."
    del worker.messages[3:]
    with pytest.raises(anthropic.BadRequestError, match="final block in an assistant message"):
        await worker.turn()


def alter_signature(messages: list[dict]) -> None:
    block = messages[1]["content"][0]
    block["signature"] = block["signature"][:-4] + "AAA="


def alter_thought(messages: list[dict]) -> None:
    messages[3]["content"][0]["thinking"] += " "


def alter_prompt(messages: list[dict]) -> None:
    messages[0]["content"] = "rehearse 3 tool calls!"


def alter_result(messages: list[dict]) -> None:
    messages[2]["content"][0]["content"] = "2\n"


def drop_turn(messages: list[dict]) -> None:
    del messages[1:3]


@pytest.mark.parametrize(
    "alter", [alter_signature, alter_thought, alter_prompt, alter_result, drop_turn]
)
async def test_an_altered_history_is_refused(
    sdk: AsyncAnthropic, tmp_path: Path, alter: Any
) -> None:
    worker = await two_turns(sdk, tmp_path)
    worker.messages = copy.deepcopy(worker.messages)
    alter(worker.messages)
    with pytest.raises(anthropic.BadRequestError, match="Invalid `signature` in `thinking` block"):
        await worker.turn()


async def test_thoughts_of_another_model_are_refused(sdk: AsyncAnthropic, tmp_path: Path) -> None:
    worker = await two_turns(sdk, tmp_path)
    worker.model = "claude-opus-5-5"
    with pytest.raises(anthropic.BadRequestError, match="Invalid `signature`"):
        await worker.turn()


async def test_a_restarted_model_knows_its_signatures_and_its_ledger(tmp_path: Path) -> None:
    with running_model(tmp_path / "kept") as first:
        async with first.client() as sdk:
            worker = await two_turns(sdk, tmp_path)
        before = first.ledger()
    with (tmp_path / "kept/ledger.jsonl").open("ab") as file:
        file.write(b'{"torn')
    with running_model(tmp_path / "kept") as second:
        assert second.ledger() == before
        async with second.client() as sdk:
            worker.client = sdk
            assert (await worker.turn()).stop_reason == "tool_use"
    with running_model(tmp_path / "kept") as third:
        assert third.ledger()["completed"]["requests"] == before["completed"]["requests"] + 1
