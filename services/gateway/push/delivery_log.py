"""Delivery log of a device's pushes, for its owner."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from events import TaskId
from services.gateway.problems import refused
from services.gateway.push.notification.policy import State
from services.gateway.push.notification.state import PushClass
from services.gateway.stores.database import Pool, within
from services.gateway.tasks.access import Principal

_SELECT: Final = """
    SELECT p.push::text AS id, p.number, p.task, p.version, p.class, p.about, p.state, p.created_at,
        p.due_at, p.expires_at, p.ended_at, coalesce((
            SELECT json_agg(json_build_object(
                'number', a.number, 'begun_at', a.begun_at, 'status', a.status,
                'reason', a.reason, 'seconds', a.seconds) ORDER BY a.number)
            FROM accounts.push_attempt a WHERE a.push = p.push), '[]') AS attempts
    FROM accounts.push p JOIN accounts.device d USING (device)
    WHERE d.account = $1 AND d.person = $2 AND d.device = $3
"""
_PAGE: Final = (
    f"{_SELECT} AND ($4::bigint IS NULL OR p.number < $4) ORDER BY p.number DESC LIMIT $5"
)
_ONE: Final = f"{_SELECT} AND p.push = $4"


class PushAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery attempt. `status` is the push service's HTTP status, 0 without a response.

    None: the result is unknown, because the gateway ended first.
    """

    number: int
    begun_at: datetime
    status: int | None
    reason: str
    seconds: float | None


class SentPush(msgspec.Struct, frozen=True, kw_only=True, rename={"push_class": "class"}):
    """A push and its state. `about` is the event's tag.

    The values of `state` are waiting: to be sent at `due_at`. accepted: the push service took it.
    seen: its person was looking at the task. overtaken: answered, or something newer happened,
    before it was sent. expired, signed_out: too late; the session was ended. declined: the push
    service refused it. dead: the device's address is invalid. given_up: all attempts failed.
    withheld: a withdrawal that would have been one more card on this device, saying nothing.
    """

    id: str
    task: TaskId | None
    version: int
    push_class: PushClass
    about: str
    state: State
    created_at: datetime
    due_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    attempts: tuple[PushAttempt, ...]


class PushPage(msgspec.Struct, frozen=True):
    """Pushes, newest first; `next` is the `after` of the following page, null on the last."""

    data: list[SentPush]
    next: str | None


class DeliveryLog:
    """Every method raises Refused (503) when the database is unavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(self, principal: Principal, device: str, *, after: str, limit: int) -> PushPage:
        """Return the pushes of one of the person's devices. Raises Refused (400, cursor)."""
        if after and not (after.isascii() and after.isdigit() and len(after) <= 18):  # noqa: PLR2004
            raise refused(400, "cursor_invalid", "`after` is not a cursor from a page before.")
        place = int(after) if after else None
        async with within(self._pool, principal.account) as connection:
            rows = await connection.fetch(
                _PAGE, principal.account, principal.person, device, place, limit + 1
            )
        more = str(rows[limit - 1]["number"]) if len(rows) > limit else None
        return PushPage([_sent(row) for row in rows[:limit]], more)

    async def one(self, principal: Principal, device: str, push: UUID) -> SentPush:
        """Return one push of one of the person's devices; it must exist."""
        async with within(self._pool, principal.account) as connection:
            row = await connection.fetchrow(_ONE, principal.account, principal.person, device, push)
        return _sent(row)


def _sent(row: Any) -> SentPush:  # noqa: ANN401 - an asyncpg record
    fields = dict(row)
    fields["attempts"] = msgspec.json.decode(fields["attempts"])
    return msgspec.convert(fields, SentPush)
