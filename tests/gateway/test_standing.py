"""What is remembered of who may act, with a clock in hand."""

from datetime import UTC, datetime, timedelta

from events import AccountId, PersonId
from services.gateway.access import Principal
from services.gateway.accounts.standing import Standings

ADA = Principal(AccountId("acc_a"), PersonId("per_a"), "ses_a")


class Register:
    """A database of one row, that counts how often it is asked, and a clock."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.principal: Principal | None = ADA
        self.asked = 0
        self.standings = Standings(lambda: self.now)

    async def look(self) -> Principal | None:
        self.asked += 1
        return self.principal

    async def recalled(self) -> Principal | None:
        return await self.standings.recall("ses_a", self.look)


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
    register.standings.forget(["ses_other"])
    assert await register.recalled() == ADA
    register.standings.forget(["ses_a"])
    assert await register.recalled() is None


async def test_a_change_of_role_is_seen_at_once():
    register = Register()
    await register.recalled()
    register.standings.forget_person("per_a")
    await register.recalled()
    assert register.asked == 2


async def test_an_answer_read_before_the_end_is_not_remembered_after_it():
    register = Register()

    async def slow() -> Principal | None:
        found = register.principal
        register.principal = None  # ended while the answer is on its way
        register.standings.forget(["ses_a"])
        return found

    assert await register.standings.recall("ses_a", slow) == ADA
    assert await register.recalled() is None


async def test_nobody_is_not_remembered():
    register = Register()
    register.principal = None
    assert await register.recalled() is None
    register.principal = ADA
    assert await register.recalled() == ADA
