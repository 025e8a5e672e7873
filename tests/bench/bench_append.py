"""`append`: awaited appends with CAS, one at a time beside a raw publish, then in batches of 100.

Both kinds of single append alternate, on one connection each, with bodies of the same bytes: what
the ratio shows is ours alone. The drafts are made before the clock runs: they are the caller's. The
floor is the p50 of nats-py's own `js.publish` with the headers that guard it (message id, expected
stream, expected last sequence of the subject).
"""

from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from nats.aio.client import Client

from events import NOWHERE, event_subject
from events.codec import encode
from infra.log.jetstream import JetStreamLog
from tests.bench.kit.measure import percentile, say
from tests.kit.build.event_logs import drafts, new_history
from tests.kit.servers.nats_connections import as_role
from tests.kit.servers.stack import RealServers, real_servers

ROUNDS = 40
SINGLES_PER_ROUND = 50
WARM_UP_ROUNDS = 2
BATCH = 100
BATCHES = 200
BATCHES_PER_HISTORY = 100
TEXT = "x" * 100
"""With the envelope, a body of about 300 bytes."""

Step = Callable[[], Awaitable[None]]


async def run() -> dict[str, object]:
    with TemporaryDirectory() as directory, real_servers(Path(directory)) as servers:
        singles, raws = await _singles(servers)
        seconds = await _batches(servers)
    floor, p50 = percentile(raws, 0.5), percentile(singles, 0.5)
    return {
        "events_per_second": round(BATCH * BATCHES / seconds),
        "batch": BATCH,
        "p50_ms": round(p50 * 1000, 3),
        "p99_ms": round(percentile(singles, 0.99) * 1000, 3),
        "floor": round(floor * 1000, 3),
        "floor_p99_ms": round(percentile(raws, 0.99) * 1000, 3),
        "ratio": round(p50 / floor, 3),
        "must_reach_ratio": 1.5,
        "must_reach_events_per_second": 15_000,
    }


async def _singles(servers: RealServers) -> tuple[list[float], list[float]]:
    """Seconds of each of our appends, and of each raw publish."""
    ours: list[float] = []
    raws: list[float] = []
    async with as_role(servers, "gateway") as connection:
        append = _appending(JetStreamLog[Any](connection))
        client = Client()
        await client.connect(servers.nats_url, user_credentials=str(servers.credentials("gateway")))
        try:
            publish = _publishing(client)
            for number in range(WARM_UP_ROUNDS + ROUNDS):
                raw, own = await _timed(publish), await _timed(append)
                if number >= WARM_UP_ROUNDS:
                    raws += raw
                    ours += own
        finally:
            await client.close()
    say(f"{len(ours)} single appends, {len(raws)} raw publishes")
    return ours, raws


def _appending(log: JetStreamLog[Any]) -> Step:
    history, head = new_history(), NOWHERE
    waiting = deque(drafts(*[TEXT] * (WARM_UP_ROUNDS + ROUNDS) * SINGLES_PER_ROUND))

    async def append() -> None:
        nonlocal head
        head = await log.append(history, [waiting.popleft()], after=head)

    return append


def _publishing(client: Client) -> Step:
    history, sequence, number = new_history(), 0, 0
    stream, subject = client.jetstream(), event_subject(history)
    [draft] = drafts(TEXT)

    async def publish() -> None:
        nonlocal sequence, number
        number += 1
        headers = {
            "Nats-Msg-Id": f"{draft.id}{number}",
            "Nats-Expected-Stream": "EVENTS",
            "Nats-Expected-Last-Subject-Sequence": str(sequence),
        }
        body = encode(history, number, draft)
        sequence = (await stream.publish(subject, body, headers=headers)).seq

    return publish


async def _timed(step: Step) -> list[float]:
    seconds = []
    for _ in range(SINGLES_PER_ROUND):
        begun = perf_counter()
        await step()
        seconds.append(perf_counter() - begun)
    return seconds


async def _batches(servers: RealServers) -> float:
    """Seconds that one writer takes for all batches, each awaited before the next."""
    async with as_role(servers, "gateway") as connection:
        log, history, head = JetStreamLog[Any](connection), new_history(), NOWHERE
        for count in (BATCHES // 10, BATCHES):  # the first to warm up
            waiting = [drafts(*[TEXT] * BATCH) for _ in range(count)]
            begun = perf_counter()
            for place, some in enumerate(waiting):
                if place % BATCHES_PER_HISTORY == 0:
                    history, head = new_history(), NOWHERE
                head = await log.append(history, some, after=head)
        seconds = perf_counter() - begun
        stored = await log.head(history)
        assert stored == head, "the log does not hold what it acknowledged"
    say(f"{BATCHES} batches of {BATCH} in {seconds:.2f} s")
    return seconds
