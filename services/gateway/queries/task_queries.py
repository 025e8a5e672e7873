"""Tasks as people see them, from the nearest place that is fresh enough.

Redis holds the live state, Postgres the read model, the log the truth. Redis and Postgres may be
behind, empty or down; then the log is folded on from what they knew.
"""

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from datetime import datetime
from functools import reduce
from types import MappingProxyType
from typing import NamedTuple

import msgspec
import redis.asyncio as redis

from events import AccountId, GatewayEvent, History
from events.protocol.api.tasks import Match
from events.protocol.task_state import TaskState, evolve
from infra.log.event_log import EventLog, Unavailable
from infra.runtime.telemetry import logger
from infra.stores.live_channels import state_key
from infra.stores.redis_errors import RedisUnavailable, redis_errors
from services.gateway.problems import Refused, not_found, refused, unavailable
from services.gateway.queries.task_search import (
    FILTERED,
    Filters,
    match_of,
    search_tasks,
    words_of,
)
from services.gateway.stores.database import Pool, within

_log = logger(__name__)

_LOOK_SECONDS = 2.0  # for a state that the log has as well

_ONE = "SELECT state FROM read.task WHERE account = $1 AND task = $2 AND state IS NOT NULL"
_PAGE = f"""
    SELECT task, submitted_at, state {FILTERED} ORDER BY submitted_at DESC, task DESC LIMIT $8
"""


class TaskFilter(NamedTuple):
    """The tasks of an account to list. `after` is the `next` of the page before."""

    phase: str | None
    repository: str | None
    after: str
    limit: int
    with_archived: bool = False
    id_prefix: str = ""
    search: str = ""


class TaskQueryPage(NamedTuple):
    """Tasks, newest first, and where the next page begins; empty at the end.

    `matches` has, after a search, where each of them matched.
    """

    tasks: list[TaskState]
    next: str
    matches: Mapping[str, Match] = MappingProxyType({})


class TaskQueries:
    """Answers what a task looks like now, and which there are."""

    def __init__(self, log: EventLog[GatewayEvent], *, pool: Pool, live: redis.Redis) -> None:
        self._log = log
        self._pool = pool
        self._live = live

    async def get(self, history: History, *, at_least: int = 0) -> TaskState:
        """Return a task's state, at version `at_least` or later if the log has come that far.

        One that an older version folded is folded from the log instead, if that answers. Raises
        Refused: 404 when the account has no such task, 503 when the log was needed and did not
        answer.
        """
        known = await self._from_redis(history)
        if not _is_enough(known, at_least):
            stored = await self._from_postgres(history)
            known = max((s for s in (known, stored) if s), key=_usefulness, default=None)
        if not _is_enough(known, at_least):
            known = await self._folded(history, known, at_least)
        if known is None:
            raise not_found()
        return known

    async def page(self, account: AccountId, wanted: TaskFilter) -> TaskQueryPage:
        """List an account's tasks. Raises Refused: 400 for a strange cursor or search, 503.

        A search looks through a bounded number of tasks: its page may be short, or empty, and
        still have a next one.
        """
        since, task = _read_cursor(wanted.after)
        words = words_of(wanted.search)
        filters: Filters = (
            account,
            wanted.phase,
            wanted.repository,
            since,
            task,
            wanted.with_archived,
            wanted.id_prefix,
        )
        last = None
        async with within(self._pool, account) as connection:
            if words:
                rows, last = await search_tasks(connection, filters, words, wanted.limit)
            else:
                rows = await connection.fetch(_PAGE, *filters, wanted.limit + 1)
        shown = rows[: wanted.limit]
        tasks = [msgspec.json.decode(row["state"], type=TaskState) for row in shown]
        if len(rows) > wanted.limit:
            last = shown[-1]
        found: dict[str, Match] = {
            state.id: match_of(row, state.title)
            for row, state in zip(shown, tasks, strict=True)
            if words
        }
        after = _cursor(last["submitted_at"], last["task"]) if last else ""
        return TaskQueryPage(tasks, after, found)

    async def newest(self, account: AccountId, limit: int) -> list[TaskState]:
        """Return the account's newest tasks, newest first. Raises Refused (503)."""
        return (await self.page(account, TaskFilter(None, None, "", limit))).tasks

    async def _from_redis(self, history: History) -> TaskState | None:
        try:
            with redis_errors():
                content = await self._live.hget(state_key(history.task), "state")
        except RedisUnavailable as error:
            _log.warning("live_state.unavailable", error=repr(error))
            return None
        return _owned(content, history)

    async def _from_postgres(self, history: History) -> TaskState | None:
        try:
            async with (
                asyncio.timeout(_LOOK_SECONDS),
                within(self._pool, history.account) as connection,
            ):
                content = await connection.fetchval(_ONE, history.account, history.task)
        except (Refused, TimeoutError):
            return None
        return _owned(content, history)

    async def _folded(
        self, history: History, known: TaskState | None, at_least: int
    ) -> TaskState | None:
        if known is None or not known.is_outdated:
            return await self._from_log(history, known)
        try:
            return await self._from_log(history, None)
        except Refused:
            if known.version < at_least:
                raise
            return known

    async def _from_log(self, history: History, known: TaskState | None) -> TaskState | None:
        try:
            news = await self._log.read(history, after=known.version if known else 0)
        except Unavailable:
            raise unavailable("The event log does not answer at the moment.") from None
        return reduce(evolve, news, known)


def _is_enough(known: TaskState | None, at_least: int) -> bool:
    return known is not None and known.version >= at_least and not known.is_outdated


def _usefulness(state: TaskState) -> tuple[bool, int]:
    """Order states: one that this version folded, which can be folded on, before any older."""
    return not state.is_outdated, state.version


def _owned(content: bytes | str | None, history: History) -> TaskState | None:
    if content is None:
        return None
    state = msgspec.json.decode(content, type=TaskState)
    return state if state.account == history.account else None


def _cursor(submitted_at: datetime, task: str) -> str:
    return urlsafe_b64encode(f"{submitted_at.isoformat()} {task}".encode()).decode().rstrip("=")


def _read_cursor(text: str) -> tuple[datetime | None, str]:
    if not text:
        return None, ""
    try:
        moment, task = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().split(" ")
        since = datetime.fromisoformat(moment)
    except (NotBase64, ValueError):
        since, task = None, ""
    if since is None or since.tzinfo is None:
        raise refused(400, "cursor_invalid", "`after` must be the `next` of an earlier page.")
    return since, task
