"""Queue of pushes in Postgres: claimed by lease, so that each is sent once.

A push is unique by device, task, version and class: however many gateways read the same event,
there is one. A gateway claims it for LEASE; one that is killed leaves it to the others after that.
An attempt is recorded before the push service is called, so that one with an unknown end shows.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID, uuid5

from events import AccountId, PersonId, TaskId
from infra.runtime.clock import Clock
from services.gateway.problems import Refused
from services.gateway.push.notification.message import DELIVERY_OPTIONS, WAIT
from services.gateway.push.notification.outcome import Outcome
from services.gateway.push.notification.policy import DuePush, NextState, State
from services.gateway.push.notification.state import ASKS, Notice, PushClass
from services.gateway.stores.database import Pool, across_accounts, within

LEASE: Final = timedelta(seconds=30)
_KEPT: Final = timedelta(days=30)
_NAMESPACE: Final = UUID("6f0c1a52-2f0e-5f0b-9c39-5b1f6a2d7e10")

_SIGNED_OUT: Final = """EXISTS (
    SELECT FROM accounts.session s WHERE s.session = d.session AND s.revoked_at IS NOT NULL
    UNION ALL
    SELECT FROM accounts.api_key k WHERE k.key = d.session AND k.revoked_at IS NOT NULL)
"""
_AUDIENCE: Final = f"""
    SELECT device FROM accounts.device d
    WHERE account = $1 AND person = ANY($2) AND address IS NOT NULL AND NOT {_SIGNED_OUT}
"""  # noqa: S608 - our own words
_SHOWING: Final = f"""
    SELECT device FROM (
        SELECT DISTINCT ON (p.device) p.device, p.class
        FROM accounts.push p JOIN accounts.device d USING (device)
        WHERE d.account = $1 AND p.task = $2 AND p.version < $3
          AND d.address IS NOT NULL AND NOT {_SIGNED_OUT}
        ORDER BY p.device, p.version DESC) newest
    WHERE class = 'needs_input'
"""  # noqa: S608 - our own words
_ANNOUNCE: Final = """
    INSERT INTO accounts.push
        (push, device, task, version, class, about, title, created_at, due_at, expires_at)
    SELECT $1, device, $3, $4, $5, $6, $7, $8, $9, $10
    FROM accounts.device WHERE device = $2 FOR KEY SHARE
    ON CONFLICT DO NOTHING RETURNING push
"""
_CLAIM: Final = f"""
    UPDATE accounts.push p SET leased_until = $2
    FROM accounts.device d
    WHERE d.device = p.device AND p.push IN (
        SELECT w.push FROM accounts.push w
        WHERE w.state = 'waiting' AND w.leased_until <= $1
          AND (CASE WHEN $4::uuid IS NULL THEN w.due_at <= $1 ELSE w.push = $4 END)
          AND NOT EXISTS (
            SELECT FROM accounts.push other
            WHERE other.device = w.device AND other.task = w.task
              AND other.state = 'waiting' AND other.leased_until > $1)
        ORDER BY w.due_at LIMIT $3 FOR UPDATE SKIP LOCKED)
    RETURNING p.push::text, p.device, p.task, p.version, p.class AS push_class, p.about, p.title,
        p.expires_at, p.leased_until, d.kind, d.address, d.account, d.person,
        (SELECT count(*) FROM accounts.push_attempt a WHERE a.push = p.push) AS tries,
        EXISTS (
            SELECT FROM accounts.push_attempt a JOIN accounts.push e USING (push)
            WHERE e.device = p.device AND e.task = p.task AND e.version < p.version) AS was_shown,
        {_SIGNED_OUT} AS is_signed_out
"""  # noqa: S608 - our own words
_BEGIN: Final = """
    INSERT INTO accounts.push_attempt (push, number, begun_at)
    SELECT push, $3, $4 FROM accounts.push WHERE push = $1 AND leased_until = $2 FOR KEY SHARE
    RETURNING number
"""
_END: Final = """
    UPDATE accounts.push_attempt SET status = $3, reason = $4, seconds = $5
    WHERE push = $1 AND number = $2
"""
_SETTLE: Final = """
    UPDATE accounts.push SET state = $3, due_at = $4, leased_until = '-infinity',
        ended_at = CASE WHEN $3 = 'waiting' THEN NULL ELSE $5::timestamptz END
    WHERE push = $1 AND leased_until = $2
"""
_BURY: Final = """
    UPDATE accounts.device SET address = NULL, address_digest = NULL, dead_at = $3, dead_reason = $4
    WHERE device = $1 AND address = $2
"""
_FORGET: Final = """
    DELETE FROM accounts.push p USING accounts.device d
    WHERE d.device = p.device AND d.account = $1 AND p.task = $2
"""
_WAITING: Final = """
    SELECT count(*) FROM read.task
    WHERE account = $1 AND phase = 'waiting' AND waiting = ANY($2) AND task <> $3
"""
_ASKED_KINDS: Final = sorted({ask.kind for ask in ASKS.values()})
_FORGET_SEEN: Final = "DELETE FROM accounts.seen WHERE account = $1 AND task = $2"
_SWEEP: Final = "DELETE FROM accounts.push WHERE ended_at < $1"
_SWEEP_DEAD: Final = "DELETE FROM accounts.device WHERE dead_at < $1"
_POSITION: Final = """
    INSERT INTO accounts.push_position (log_created_at, sequence) VALUES ($1, $2)
    ON CONFLICT (log_created_at) DO UPDATE SET sequence = push_position.sequence
    RETURNING sequence
"""
_ADVANCE: Final = """
    UPDATE accounts.push_position SET sequence = greatest(sequence, $2) WHERE log_created_at = $1
"""


class NoticeChange(NamedTuple):
    """A changed notice: its task, time and recipients."""

    account: AccountId
    task: TaskId
    title: str
    notice: Notice
    at: datetime
    audience: Collection[PersonId]


class PushQueue:
    """Every method raises Refused (503) when the database is unavailable."""

    def __init__(self, pool: Pool, *, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def announce(self, news: NoticeChange) -> int:
        """Create the pushes of a changed notice; return how many are new.

        A withdrawal goes to the devices whose last push of the task asked for something, every
        other notice to all devices of those it concerns.
        """
        notice, manner = news.notice, DELIVERY_OPTIONS[news.notice.push_class]
        is_withdrawal = notice.push_class == "withdrawn"
        wait = timedelta(0) if is_withdrawal else WAIT
        async with within(self._pool, news.account) as connection:
            if is_withdrawal:
                rows = await connection.fetch(_SHOWING, news.account, news.task, notice.version)
            else:
                rows = await connection.fetch(_AUDIENCE, news.account, list(news.audience))
            made = [
                await connection.fetchval(
                    _ANNOUNCE,
                    push_id(row["device"], news.task, notice.version, notice.push_class),
                    row["device"],
                    news.task,
                    notice.version,
                    notice.push_class,
                    notice.about,
                    news.title,
                    self._clock(),
                    news.at + wait,
                    news.at + manner.keep,
                )
                for row in rows
            ]
        return sum(push is not None for push in made)

    async def test(self, account: AccountId, device: str, key: str) -> tuple[UUID, bool]:
        """Create a test push for a device, the same for the same key; return whether it is new.

        The caller sends it; it is due for anybody when that has not happened within a LEASE.
        """
        push, now = uuid5(_NAMESPACE, f"{device}/test/{key}"), self._clock()
        due_at, expires_at = now + LEASE, now + DELIVERY_OPTIONS["test"].keep
        async with within(self._pool, account) as connection:
            made = await connection.fetchval(
                _ANNOUNCE,
                *(push, device, None, 0, "test", "test", "", now, due_at, expires_at),
            )
        return push, made is not None

    async def claim(self, limit: int, *, only: UUID | None = None) -> Sequence[DuePush]:
        """Claim up to `limit` due pushes, or `only` one, due or not, for LEASE.

        One push per device and task is claimed at a time, so that an older one never overtakes.
        """
        now = self._clock()
        async with across_accounts(self._pool) as connection:
            rows = await connection.fetch(_CLAIM, now, now + LEASE, limit, only)
        return [DuePush(**dict(row)) for row in rows]

    async def begin(self, due: DuePush) -> bool:
        """Record the start of an attempt; False when the claim expired or the device is gone."""
        async with within(self._pool, due.account) as connection:
            begun = await connection.fetchval(
                _BEGIN, due.push, due.leased_until, due.tries + 1, self._clock()
            )
        return begun is not None

    async def end(self, due: DuePush, then: NextState, outcome: Outcome, seconds: float) -> None:
        """Record how an attempt ended, its duration, and the next state.

        An invalid address is deleted, unless the device has registered another one meanwhile. When
        the claim has expired, another gateway decides what follows.
        """
        now, status, reason = self._clock(), outcome.status, outcome.reason
        async with within(self._pool, due.account) as connection:
            await connection.execute(_END, due.push, due.tries + 1, status, reason, seconds)
            await connection.execute(
                _SETTLE, due.push, due.leased_until, then.state, then.due_at, now
            )
            if then.is_device_dead:
                said = f"{status} {reason}".strip()
                await connection.execute(_BURY, due.device, due.address, now, said)

    async def leave_unsent(self, due: DuePush, why: State) -> None:
        """End a claimed push without an attempt."""
        now = self._clock()
        async with within(self._pool, due.account) as connection:
            await connection.execute(_SETTLE, due.push, due.leased_until, why, now, now)

    async def count_waiting(self, account: AccountId, but: TaskId) -> int | None:
        """Return how many tasks of an account wait for an answer, without one; None when unknown.

        The read model says it, which may be a moment behind the log.
        """
        try:
            async with within(self._pool, account) as connection:
                return int(await connection.fetchval(_WAITING, account, _ASKED_KINDS, but))
        except Refused:
            return None

    async def forget(self, account: AccountId, task: TaskId) -> None:
        """Delete all pushes of an erased task, which contain its title, and who has seen it."""
        async with within(self._pool, account) as connection:
            await connection.execute(_FORGET, account, task)
            await connection.execute(_FORGET_SEEN, account, task)

    async def sweep(self) -> None:
        """Delete pushes that ended, and devices that died, more than 30 days ago."""
        before = self._clock() - _KEPT
        async with across_accounts(self._pool) as connection:
            await connection.execute(_SWEEP, before)
            await connection.execute(_SWEEP_DEAD, before)

    async def position(self, log_created_at: datetime, end: int) -> int:
        """Return how far this log was read; a new log is read from its end."""
        async with across_accounts(self._pool) as connection:
            return int(await connection.fetchval(_POSITION, log_created_at, end))

    async def advance(self, log_created_at: datetime, sequence: int) -> None:
        """Record that everything up to `sequence` is read. Never goes back."""
        async with across_accounts(self._pool) as connection:
            await connection.execute(_ADVANCE, log_created_at, sequence)


def push_id(device: str, task: TaskId, version: int, push_class: PushClass) -> UUID:
    """Return the id of a push, derived from its unique key, the same in every gateway."""
    return uuid5(_NAMESPACE, f"{device}/{task}/{version}/{push_class}")
