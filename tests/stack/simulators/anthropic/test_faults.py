"""Misfortunes on order, as the real SDK meets them."""

from pathlib import Path
from typing import Any

import anthropic
import httpx
import httpx2
import pytest
from anthropic import AsyncAnthropic

from tests.kit.build.model_requests import HEADERS, SMALL_LOAD, ask, history, shared_model
from tests.kit.probe.eventually import eventually
from tests.kit.run.rehearsal_model import RehearsalModel, rehearsal_model, running_model, sdk

__all__ = ["rehearsal_model", "sdk", "shared_model"]


async def test_faults_before_the_first_byte(
    rehearsal_model: RehearsalModel, sdk: AsyncAnthropic
) -> None:
    rehearsal_model.order("status", status=429, retry_after=7)
    with pytest.raises(anthropic.RateLimitError) as limited:
        await sdk.messages.create(**ask())
    assert limited.value.response.headers["retry-after"] == "7"
    for status, kind, error in (
        (529, "overloaded_error", anthropic.InternalServerError),
        (500, "api_error", anthropic.InternalServerError),
        (402, "billing_error", anthropic.APIStatusError),
    ):
        rehearsal_model.order("status", status=status)
        with pytest.raises(error) as raised:
            await sdk.messages.create(**ask())
        assert raised.value.type == kind
    assert (await sdk.messages.create(**ask())).stop_reason == "end_turn"
    assert rehearsal_model.ledger()["refused"] == 4
    assert rehearsal_model.ledger()["completed"]["requests"] == 1


async def final(sdk: AsyncAnthropic, **changes: Any) -> anthropic.types.Message:
    async with sdk.messages.stream(**ask(**changes)) as stream:
        return await stream.get_final_message()


async def test_an_error_event_in_mid_stream(
    rehearsal_model: RehearsalModel, sdk: AsyncAnthropic
) -> None:
    rehearsal_model.order("stream_error", after_events=6)
    with pytest.raises(anthropic.APIStatusError) as raised:
        await final(sdk)
    assert raised.value.status_code == 200
    assert raised.value.type == "overloaded_error"
    broken = rehearsal_model.ledger()["interrupted"]
    assert broken["requests"] == 1
    assert 0 < broken["output_tokens"] < 40


async def test_a_connection_dropped_in_mid_stream(
    rehearsal_model: RehearsalModel, sdk: AsyncAnthropic
) -> None:
    rehearsal_model.order("drop")
    with pytest.raises(httpx2.RemoteProtocolError):
        await final(sdk)
    assert (await final(sdk)).stop_reason == "end_turn"


async def test_a_stream_that_ends_without_message_stop(
    rehearsal_model: RehearsalModel, sdk: AsyncAnthropic
) -> None:
    rehearsal_model.order("truncate", after_events=9)
    assert (await final(sdk, messages=history(SMALL_LOAD))).stop_reason is None


async def test_a_reply_with_another_stop_reason(
    rehearsal_model: RehearsalModel, sdk: AsyncAnthropic
) -> None:
    rehearsal_model.order("stop", stop_reason="pause_turn")
    assert (await final(sdk, messages=history(SMALL_LOAD))).stop_reason == "pause_turn"


async def test_a_slow_stream_whose_reader_goes_away_is_not_billed_as_complete(
    rehearsal_model: RehearsalModel, sdk: AsyncAnthropic
) -> None:
    rehearsal_model.order("slow", delay_seconds=0.05)
    async with sdk.messages.stream(**ask()) as stream:
        async for event in stream:
            if event.type == "text":
                break
    await eventually(
        lambda: rehearsal_model.ledger()["interrupted"]["requests"], until=lambda n: n == 1
    )
    assert rehearsal_model.ledger()["completed"]["requests"] == 0


async def test_a_fault_waits_for_its_user_and_can_be_taken_back(
    rehearsal_model: RehearsalModel, sdk: AsyncAnthropic
) -> None:
    rehearsal_model.order("status", status=500, user_id="task_b", times=2)
    assert (await sdk.messages.create(**ask(metadata={"user_id": "task_a"}))).content
    with pytest.raises(anthropic.InternalServerError):
        await sdk.messages.create(**ask(metadata={"user_id": "task_b"}))
    rehearsal_model.clear_faults()
    assert (await sdk.messages.create(**ask(metadata={"user_id": "task_b"}))).content


def test_faults_can_be_ordered_only_where_they_are_allowed(tmp_path: Path) -> None:
    with running_model(tmp_path, faults=False) as running:
        answer = httpx.post(f"{running.url}/faults", json={"kind": "drop"}, headers=HEADERS)
        assert answer.status_code == 404


def test_a_malformed_fault_is_refused(shared_model: RehearsalModel) -> None:
    answer = httpx.post(f"{shared_model.url}/faults", json={"kind": "flood"}, headers=HEADERS)
    assert answer.status_code == 400
