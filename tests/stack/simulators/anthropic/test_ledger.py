"""Bills of the rehearsal model: the prompt cache, rate limits, and its own count of it all."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from anthropic import AsyncAnthropic

from infra.simulators.anthropic.api.models import MODELS
from infra.simulators.anthropic.billing.prompt_cache import PromptCache
from infra.simulators.anthropic.billing.tokens import count_text, pieces
from tests.kit.build.model_requests import EPHEMERAL, HOUR, ask, history, post, text
from tests.kit.run.rehearsal_model import (
    TOOLS,
    Agent,
    RehearsalModel,
    Workspace,
    rehearsal_model,
    running_model,
    sdk,
)

__all__ = ["rehearsal_model", "sdk"]


SUMS = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
)


def usages(worker: Agent) -> dict[str, int]:
    return {name: sum(getattr(r.usage, name) for r in worker.replies) for name in SUMS}


async def test_the_ledger_agrees_with_the_caller_to_the_token(
    rehearsal_model: RehearsalModel, sdk: AsyncAnthropic, tmp_path: Path
) -> None:
    workers = [
        Agent(sdk, Workspace.of_sample("slugify", tmp_path / name), user_id=name)
        for name in ("task_a", "task_b")
    ]
    for worker in workers:
        await worker.run("The tests fail, fix it")
        billed = rehearsal_model.ledger(worker.user_id)["completed"]
        assert {name: billed[name] for name in SUMS} == usages(worker)
        assert billed["requests"] == len(worker.replies)
        assert billed["cache_read_input_tokens"] > billed["input_tokens"]
    everyone = rehearsal_model.ledger()
    assert everyone["interrupted"]["requests"] == everyone["refused"] == 0
    assert everyone["completed"]["output_tokens"] == sum(
        usages(worker)["output_tokens"] for worker in workers
    )


async def test_every_prompt_is_billed_whole(sdk: AsyncAnthropic, tmp_path: Path) -> None:
    worker = Agent(sdk, Workspace.of_sample("inventory", tmp_path / "work"))
    await worker.run("Add a method that lists what is running low, with tests")
    read = [reply.usage.cache_read_input_tokens or 0 for reply in worker.replies]
    assert read == sorted(read)  # each turn reads what the one before had written
    for place, reply in enumerate(worker.replies):
        counted = await sdk.messages.count_tokens(
            model=worker.model,
            messages=worker.messages[: 2 * place + 1],
            tools=TOOLS,
            system="You are the worker of a test.",
        )
        usage = reply.usage
        assert counted.input_tokens == (
            usage.input_tokens
            + (usage.cache_read_input_tokens or 0)
            + (usage.cache_creation_input_tokens or 0)
        )


def test_the_cache_forgets_after_its_time_and_reading_keeps_it() -> None:
    now = [datetime(2026, 11, 22, tzinfo=UTC)]
    cache = PromptCache(lambda: now[0])
    model = MODELS["claude-sonnet-5-5"]
    prompt = pieces(
        ask(
            system=[text("s" * 8000, cache_control=HOUR)],
            messages=history([text("m" * 8000, cache_control=EPHEMERAL), text("tail")]),
            tools=None,
        )
    )
    first = cache.bill(model, prompt)
    assert (first.written_1h, first.written_5m, first.read) == (2000, 2004, 0)
    assert first.fresh == count_text("tail")
    for _ in range(3):
        now[0] += timedelta(minutes=4)
        assert cache.bill(model, prompt).read == 4004
    now[0] += timedelta(minutes=6)
    late = cache.bill(model, prompt)
    assert (late.read, late.written_5m) == (2000, 2004)
    assert cache.bill(MODELS["claude-opus-5-5"], prompt).read == 0


def test_a_small_prompt_is_not_kept() -> None:
    cache = PromptCache(lambda: datetime(2026, 11, 22, tzinfo=UTC))
    prompt = pieces(ask(messages=history([text("m" * 400, cache_control=EPHEMERAL)]), tools=None))
    model = MODELS["claude-sonnet-5-5"]
    assert [cache.bill(model, prompt).fresh for _ in range(2)] == [104, 104]


def test_one_request_too_many_is_told_when_to_come_back(tmp_path: Path) -> None:
    now = [datetime(2026, 11, 22, tzinfo=UTC)]
    with running_model(tmp_path, clock=lambda: now[0], requests_a_minute=2) as running:
        first = post(running, ask())
        assert first.headers["anthropic-ratelimit-requests-remaining"] == "1"
        assert int(first.headers["anthropic-ratelimit-input-tokens-remaining"]) > 0
        post(running, ask())
        now[0] += timedelta(seconds=20)
        third = post(running, ask())
        assert third.status_code == 429
        assert third.headers["retry-after"] == "40"
        now[0] += timedelta(seconds=40)
        assert post(running, ask()).status_code == 200
