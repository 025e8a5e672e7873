"""Drafts of events: time, id, writer and cause are set by the factory."""

from datetime import UTC, datetime, timedelta

from events import TaskCancelled, TaskInterrupted
from infra.runtime.clock import DraftFactory, utc_now

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_now_is_aware_and_in_utc() -> None:
    assert utc_now().utcoffset() == timedelta(0)


def test_drafts_bear_the_factorys_time_the_writer_and_the_cause() -> None:
    drafts = DraftFactory(lambda: NOON).drafts(
        [TaskInterrupted(), TaskCancelled()], by="person:per_1", cause="c1"
    )

    assert [type(draft.event) for draft in drafts] == [TaskInterrupted, TaskCancelled]
    assert {(draft.at, draft.by, draft.cause) for draft in drafts} == {(NOON, "person:per_1", "c1")}


def test_every_draft_has_an_id_of_its_own() -> None:
    draft_factory = DraftFactory(lambda: NOON)

    ids = {draft.id for draft in draft_factory.drafts([TaskInterrupted()] * 100, by="operator")}

    assert len(ids) == 100


def test_two_writers_at_the_same_moment_never_make_the_same_id() -> None:
    writers = [DraftFactory(lambda: NOON) for _ in range(2)]

    ids = [writer.new_event_id() for writer in writers for _ in range(5000)]

    assert len(set(ids)) == 10_000


def test_time_and_chance_alone_make_an_id() -> None:
    one, other = (DraftFactory(lambda: NOON, bytes) for _ in range(2))

    assert one.new_event_id() == other.new_event_id()
