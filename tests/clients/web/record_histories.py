"""Record the histories that the web app's tests are held against, from a whole stack at work.

`python -m tests.clients.web.record_histories` writes clients/web/test/histories/<name>.jsonl: the
stored bytes of every event of one task. What is there already is recorded again only when named.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

from events import (
    ApprovalRequested,
    BudgetExhausted,
    MachineDestroyed,
    ModelReplied,
    QuestionAsked,
    Recorded,
    TaskFinished,
    ToolCompleted,
)
from infra.local.demo.sample_repositories import PROMPTS
from tests.kit.paths import ROOT
from tests.kit.probe.eventually import eventually
from tests.kit.run.phone import Phone, kill_workers, repository, signed_in, stored
from tests.kit.servers.server_directory import server_directory
from tests.kit.servers.stack import RealStack, real_stack

HISTORIES: Final = ROOT / "clients" / "web" / "test" / "histories"
TIDY: Final = "Clear away what running the tests leaves behind."

Act = Callable[[RealStack, Phone, str, Recorded], Awaitable[None]]


async def _nothing(_stack: RealStack, _phone: Phone, _task: str, _seen: Recorded) -> None:
    return


async def _answer(_stack: RealStack, phone: Phone, task: str, seen: Recorded) -> None:
    if isinstance(seen.event, QuestionAsked):
        path = f"/v1/tasks/{task}/questions/{seen.event.request}"
        await phone.post(path, {"text": seen.event.options[0]})


def _approval(verdict: dict[str, Any]) -> Act:
    async def act(_stack: RealStack, phone: Phone, task: str, seen: Recorded) -> None:
        if isinstance(seen.event, ApprovalRequested):
            path = f"/v1/tasks/{task}/approvals/{seen.event.request}"
            await phone.post(path, {"digest": seen.event.digest, **verdict})

    return act


async def _raise(_stack: RealStack, phone: Phone, task: str, seen: Recorded) -> None:
    if isinstance(seen.event, BudgetExhausted):
        await phone.post(f"/v1/tasks/{task}/budget", {"cost_microusd": 2_000_000})


def _on_call(number: int, act: Act) -> Act:
    calls = 0

    async def counted(stack: RealStack, phone: Phone, task: str, seen: Recorded) -> None:
        nonlocal calls
        calls += isinstance(seen.event, ToolCompleted)
        if isinstance(seen.event, ToolCompleted) and calls == number:
            await act(stack, phone, task, seen)

    return counted


async def _kill(stack: RealStack, _phone: Phone, _task: str, _seen: Recorded) -> None:
    assert kill_workers(stack) == 1


async def _cancel(_stack: RealStack, phone: Phone, task: str, _seen: Recorded) -> None:
    await phone.post(f"/v1/tasks/{task}/cancel", {"reason": "no more"})


async def _steer(_stack: RealStack, phone: Phone, task: str, _seen: Recorded) -> None:
    await phone.post(f"/v1/tasks/{task}/instructions", {"text": "Only what is needed, please."})


async def _switch_off(stack: RealStack, _phone: Phone, task: str, seen: Recorded) -> None:
    if isinstance(seen.event, ModelReplied) and seen.event.turn == 2:
        operator = type(_phone.gateway)(stack.gateway_url, stack.operator_token)
        payload = {"level": "task", "owner": task, "reason": "it ran wild"}
        answer = await Phone(operator).request("PUT", "/v1/operator/switches", json=payload)
        answer.raise_for_status()


SCENARIOS: Final[dict[str, tuple[str, str, dict[str, Any], Act]]] = {
    "pull_request": ("slugify", PROMPTS["slugify"], {}, _nothing),
    "question": ("greeter", PROMPTS["greeter"], {}, _answer),
    "approval_allowed": ("slugify", TIDY, {"policy": "risky"}, _approval({"verdict": "allow"})),
    "approval_denied": (
        "slugify",
        TIDY,
        {"policy": "risky"},
        _approval({"verdict": "deny", "reason": "they are mine"}),
    ),
    "approval_for_task": (
        "inventory",
        PROMPTS["inventory"],
        {"policy": "always"},
        _approval({"verdict": "allow", "scope": "task"}),
    ),
    "budget_raised": (
        "slugify",
        PROMPTS["slugify"],
        {"budget": {"cost_microusd": 1_000}},
        _raise,
    ),
    "machine_lost": ("slugify", "rehearse 6 tool calls of 0.4 seconds", {}, _on_call(2, _kill)),
    "cancelled": ("slugify", "rehearse 50 tool calls of 0.5 seconds", {}, _on_call(3, _cancel)),
    "steered": ("slugify", "rehearse 6 tool calls of 0.4 seconds", {}, _on_call(2, _steer)),
    "failed": ("slugify", "rehearse 20 tool calls of 0.2 seconds", {}, _switch_off),
}


async def record(stack: RealStack, name: str) -> None:
    """Run one scenario and write its history."""
    sample, prompt, more, act = SCENARIOS[name]
    phone = await signed_in(stack)
    async with phone.gateway:
        made = await repository(stack, sample)
        task = await phone.submit(prompt, made.url, **more)
        async for recorded in phone.watch(task["id"]):
            await act(stack, phone, task["id"], recorded)
            last = recorded

    async def whole() -> list[Recorded]:
        return await stored(stack, task)

    kept = await eventually(
        whole,
        until=lambda all_: any(isinstance(r.event, MachineDestroyed) for r in all_[last.version :]),
        seconds=40,
    )
    if name == "pull_request":
        assert any(isinstance(r.event, TaskFinished) for r in kept)
    (HISTORIES / f"{name}.jsonl").write_bytes(b"".join(r.body + b"\n" for r in kept))
    print(f"{name}: {len(kept)} events", flush=True)


def main(names: list[str]) -> None:
    """Record the named histories, or those that are not there."""
    HISTORIES.mkdir(exist_ok=True)
    wanted = names or [each for each in SCENARIOS if not (HISTORIES / f"{each}.jsonl").exists()]
    with (
        server_directory() as directory,
        real_stack(directory, environment={"HEARTBEAT_SILENCE_SECONDS": "10"}) as stack,
    ):
        for name in wanted:
            asyncio.run(record(stack, name))


if __name__ == "__main__":
    main(sys.argv[1:])
