"""Reading the log for pushes: every history once, and what was away meanwhile is made up for."""

import asyncio
from typing import Any

from events import NOWHERE, QuestionAnswered, QuestionAsked, RequestId, TaskFinished
from events.ids import CallId
from infra.runtime.clock import utc_now
from services.gateway.problems import unavailable
from services.gateway.push.log_follower import LogFollower
from services.gateway.push.notification.state import EMPTY_STATE, fold_notices
from services.gateway.queries.fold_cache import FoldCache
from tests.kit.fakes.in_memory_log import InMemoryLog
from tests.kit.probe.eventually import eventually
from tests.kit.run.devices import DRAFT_FACTORY, new_history
from tests.kit.run.live_loop import SUBMITTED

ASKED = QuestionAsked(request=RequestId("req_1"), call=CallId("call_1"), text="Which?")
STORY = [SUBMITTED, ASKED, QuestionAnswered(request=RequestId("req_1"), text="This"), ASKED]


class CountingLog(InMemoryLog[Any]):
    def __init__(self) -> None:
        super().__init__()
        self.readings = 0

    async def read(self, history: Any, *, after: Any = 0) -> Any:
        self.readings += 1
        return await super().read(history, after=after)


class Book:
    """Notes what is announced; refuses as often as told."""

    def __init__(self, *, refusals: int = 0, begins_after: int = 0) -> None:
        self.news: list[tuple[int, str]] = []
        self.refusals = refusals
        self.begins_after = begins_after

    async def position(self, _created: object, _last: int) -> int:
        return self.begins_after

    async def advance(self, _created: object, _sequence: int) -> None:
        """It is not asked about here."""

    async def announce(self, news: Any) -> None:
        if self.refusals:
            self.refusals -= 1
            raise unavailable("The database is away.")
        self.news.append((news.notice.version, news.notice.push_class))


async def announced(log: InMemoryLog[Any], book: Book, count: int) -> list[tuple[int, str]]:
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        states = FoldCache(log, fold_notices, empty=EMPTY_STATE, clock=utc_now, max_histories=9)
        follower = LogFollower(log, book, states)  # type: ignore[arg-type]
        group.create_task(follower.run(stopping))
        await eventually(lambda: len(book.news) >= count)
        stopping.set()
    return book.news


async def test_a_history_that_is_met_in_its_middle_is_read_once() -> None:
    log = CountingLog()
    history = new_history()
    await log.append(history, DRAFT_FACTORY.drafts(STORY, by="t"), after=NOWHERE)

    news = await announced(log, Book(begins_after=log.recorded[1].sequence), 2)

    assert news == [(3, "withdrawn"), (4, "needs_input")]
    assert log.readings == 1


async def test_a_history_that_begins_meanwhile_is_not_read_however_much_of_it_is_of_interest() -> (
    None
):
    log = CountingLog()
    history = new_history()
    for fact in [*STORY, TaskFinished(summary="Done", outcome="branch")]:
        stored = log.recorded[-1].head if log.recorded else NOWHERE
        await log.append(history, DRAFT_FACTORY.drafts([fact], by="t"), after=stored)

    news = await announced(log, Book(), 4)

    assert news == [(2, "needs_input"), (3, "withdrawn"), (4, "needs_input"), (5, "done")]
    assert log.readings == 0


async def test_a_push_that_could_not_be_stored_is_made_when_the_database_is_back() -> None:
    log = CountingLog()
    await log.append(new_history(), DRAFT_FACTORY.drafts(STORY, by="t"), after=NOWHERE)

    news = await announced(log, Book(refusals=1), 3)

    assert news == [(2, "needs_input"), (3, "withdrawn"), (4, "needs_input")]
