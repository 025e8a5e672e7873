"""A person's account on the real stack, and the tasks that a test finds there."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

from clients.cli.gateway.client import Gateway
from events import ApprovalRequested, BudgetExhausted, QuestionAsked, Recorded
from events.protocol.api.sessions import PairingOffer, PairingRequest
from infra.local.demo.sample_repositories import PROMPTS, SampleRepository
from infra.local.stack import Pairing
from tests.kit.run.phone import Phone, repository, signed_in
from tests.kit.servers.stack import RealStack

TIDY: Final = "Clear away what running the tests leaves behind."


class Stage:
    """One account: `phone` is a device of it that speaks HTTP, as another phone would."""

    def __init__(self, stack: RealStack, account: str, phone: Phone) -> None:
        self.stack = stack
        self.account = account
        self.phone = phone

    @property
    def url(self) -> str:
        return self.stack.gateway_url

    async def pair(self) -> Pairing:
        """Return a new code for this account."""
        async with Gateway(self.url, self.stack.operator_token) as operator:
            offer = await operator.post("/v1/pairings", PairingRequest(self.account), PairingOffer)
        return Pairing(code=offer.code, url=offer.url, expires_at=str(offer.expires_at))

    async def repository(self, sample: str = "slugify") -> SampleRepository:
        return await repository(self.stack, sample)

    async def task(self, prompt: str, sample: str = "slugify", **more: Any) -> dict[str, Any]:
        """Send a task from the other phone."""
        made = await self.repository(sample)
        return await self.phone.submit(prompt, made.url, **more)

    async def until(self, task: dict[str, Any], kind: type) -> Recorded:
        """Wait until an event of this type is in the task's log; return the first."""
        async with aclosing(self.phone.watch(task["id"])) as events:
            async for recorded in events:
                if isinstance(recorded.event, kind):
                    return recorded
        raise AssertionError(f"the task ended without {kind.__name__}")

    async def asked_to_approve(self) -> tuple[dict[str, Any], ApprovalRequested]:
        """Send a task that waits for an approval of one risky command."""
        task = await self.task(TIDY, policy="risky")
        seen = await self.until(task, ApprovalRequested)
        assert isinstance(seen.event, ApprovalRequested)
        return task, seen.event

    async def asked(self) -> tuple[dict[str, Any], QuestionAsked]:
        """Send a task that waits for the answer to a question."""
        task = await self.task(PROMPTS["greeter"], "greeter")
        seen = await self.until(task, QuestionAsked)
        assert isinstance(seen.event, QuestionAsked)
        return task, seen.event

    async def out_of_money(self, microusd: int = 1_000) -> tuple[dict[str, Any], BudgetExhausted]:
        """Send a task whose budget is spent soon, the smallest before it begins."""
        task = await self.task(PROMPTS["slugify"], budget={"cost_microusd": microusd})
        seen = await self.until(task, BudgetExhausted)
        assert isinstance(seen.event, BudgetExhausted)
        return task, seen.event


@asynccontextmanager
async def new_account(stack: RealStack, name: str) -> AsyncIterator[Stage]:
    """Make an account with one device."""
    phone = await signed_in(stack, name)
    async with phone.gateway:
        yield Stage(stack, name, phone)
