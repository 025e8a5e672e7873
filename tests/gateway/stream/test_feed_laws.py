"""The feed's invariants, against a model that drops, doubles and reorders what Redis brings."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from infra.stores.live_channels import Frame
from tests.kit.fakes.feed_log import Log, Phone, bodies, frame, loaded

fates = st.lists(
    st.tuples(
        st.sampled_from(
            ["deliver", "drop", "twice", "late", "check", "repair", "old", "away", "back"]
        ),
        st.integers(0, 50),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(
    before=st.integers(0, 12),
    cursor=st.integers(0, 12),
    fates=fates,
    ring=st.integers(1, 6) | st.just(2048),
    lag=st.integers(0, 3),
)
def test_what_is_delivered_is_the_log_whatever_redis_does(
    before: int, cursor: int, fates: list[tuple[str, int]], ring: int, lag: int
) -> None:
    """Delivered = log[c+1..n], in order, nothing twice; at rest everybody is at the head."""
    asyncio.run(_model(min(cursor, before), fates, Log(before), ring=ring, lag=lag))


async def _model(
    cursor: int, fates: list[tuple[str, int]], log: Log, *, ring: int, lag: int
) -> None:
    feed = await loaded(log, ring_events=ring)
    phone = Phone(feed, cursor)
    first = cursor + 1
    late: list[Frame] = []
    is_behind = feed.after(cursor, max_events=1, max_bytes=1) is None
    for fate, chance in fates:
        match fate:
            case "deliver":
                feed.receive(log.grow())
            case "drop":
                log.grow()
            case "twice":
                sent = log.grow()
                feed.receive(sent)
                feed.receive(sent)
            case "late":
                late.append(log.grow())
            case "repair":
                late, sent_late = [], late
                for sent in sorted(sent_late, key=lambda f: (f.version * 7 + chance) % 5):
                    feed.receive(sent)
            case "old" if log.length:
                feed.receive(frame(1 + chance % log.length))
            case "check" if not log.is_away:
                log.lag, log.lagging_reads = min(lag, log.length), lag
                await feed.check()
            case "away":
                log.is_away = True
            case "back":
                log.is_away = False
        assert len(feed._ring) <= ring
        phone.take()
        is_behind = is_behind or feed.after(phone.cursor, max_events=1, max_bytes=1) is None
        if not is_behind:
            assert phone.delivered == bodies(first, phone.cursor)
    log.is_away, log.lagging_reads = False, 0
    await feed.check()
    phone.take()

    assert feed.high == log.length
    assert not feed.is_suspect
    is_behind = is_behind or feed.after(phone.cursor, max_events=1, max_bytes=1) is None
    if not is_behind:
        assert phone.cursor == log.length
        assert phone.delivered == bodies(first, log.length)
