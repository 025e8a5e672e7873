"""The session cache remembers who may act, by a clock the test moves."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from events import AccountId, PersonId
from services.gateway.accounts.session_cache import SessionCache
from services.gateway.problems import Refused, unavailable
from services.gateway.tasks.access import Principal

ADA = Principal(AccountId("acc_a"), PersonId("per_a"), "ses_a")


class Register:
    """A database of one row, that counts how often it is asked, and a clock."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.principal: Principal | None = ADA
        self.asked = 0
        self.session_cache = SessionCache(lambda: self.now)

    async def look(self) -> Principal | None:
        self.asked += 1
        return self.principal

    async def recalled(self) -> Principal | None:
        return await self.session_cache.recall("ses_a", self.look)


async def test_an_answer_is_good_for_five_seconds():
    register = Register()
    for seconds, asked in [(0, 1), (4.9, 1), (5, 2)]:
        register.now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
        assert await register.recalled() == ADA
        assert register.asked == asked


async def test_what_is_forgotten_is_looked_up_again():
    register = Register()
    await register.recalled()
    register.principal = None
    register.session_cache.forget(["ses_other"])
    assert await register.recalled() == ADA
    register.session_cache.forget(["ses_a"])
    assert await register.recalled() is None


async def test_a_change_of_role_is_seen_at_once():
    register = Register()
    await register.recalled()
    register.session_cache.forget_person("per_a")
    await register.recalled()
    assert register.asked == 2


async def test_an_answer_read_before_the_end_is_not_remembered_after_it():
    register = Register()

    async def slow() -> Principal | None:
        found = register.principal
        register.principal = None  # ended while the answer is on its way
        register.session_cache.forget(["ses_a"])
        return found

    assert await register.session_cache.recall("ses_a", slow) == ADA
    assert await register.recalled() is None


async def test_nobody_is_not_remembered():
    register = Register()
    register.principal = None
    assert await register.recalled() is None
    register.principal = ADA
    assert await register.recalled() == ADA


class SlowRegister(Register):
    """A database whose answers come when the test lets them."""

    def __init__(self) -> None:
        super().__init__()
        self.has_been_asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.refusal: Refused | None = None

    async def look(self) -> Principal | None:
        found = await super().look()
        self.has_been_asked.set()
        await self.may_answer.wait()
        if self.refusal is not None:
            raise self.refusal
        return found


async def turns_of_the_loop() -> None:
    """Let every task that can run, run until it waits."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_devices_of_a_person_that_come_together_cost_one_lookup():
    register = SlowRegister()
    async with asyncio.TaskGroup() as group:
        devices = [group.create_task(register.recalled()) for _ in range(10)]
        await register.has_been_asked.wait()
        await turns_of_the_loop()
        register.may_answer.set()
    assert [device.result() for device in devices] == [ADA] * 10
    assert register.asked == 1


async def test_a_lookup_begun_before_a_revocation_does_not_answer_who_comes_after_it():
    register = SlowRegister()
    async with asyncio.TaskGroup() as group:
        before = group.create_task(register.recalled())
        await register.has_been_asked.wait()
        register.principal = None
        register.session_cache.forget(["ses_a"])
        after = group.create_task(register.recalled())
        await turns_of_the_loop()
        register.may_answer.set()
    assert (before.result(), after.result()) == (ADA, None)
    assert await register.recalled() is None


async def test_a_device_that_goes_away_leaves_the_lookup_to_the_next():
    register = SlowRegister()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(register.recalled())
        await register.has_been_asked.wait()
        second = group.create_task(register.recalled())
        await turns_of_the_loop()
        first.cancel()
        register.may_answer.set()
    assert second.result() == ADA
    assert register.asked == 2


async def test_a_database_that_is_away_refuses_all_who_wait_at_once():
    register = SlowRegister()
    register.refusal = unavailable("The database does not answer at the moment.")

    async def refused() -> None:
        with pytest.raises(Refused):
            await register.recalled()

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(refused())
        await register.has_been_asked.wait()
        await turns_of_the_loop()
        register.may_answer.set()
    assert register.asked == 1
    await refused()
    assert register.asked == 2
