"""Earlier approvals of similar calls in the same repository: how often, and what people answered.

Similar are calls of the same tool with the same risks (`covers`); of a script that cannot be read
beforehand only the very same one. The request itself is read from the log, what came before from
the projector's read model, which may be a moment behind.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final

import msgspec

from events import ApprovalRequested, GatewayEvent, History, Recorded, RequestId
from events.protocol.api.approvals import Precedent, PrecedentList
from infra.log.event_log import EventLog, Unavailable
from services.gateway.problems import not_found, unavailable
from services.gateway.queries.fold_cache import FoldCache
from services.gateway.stores.database import Connection, Pool, within

_MAX_HISTORIES: Final = 500
_MAX_COUNTED: Final = 500
_MAX_SHOWN: Final = 5
_UNREADABLE: Final = "this script alone"  # as services.worker.agent.approvals.risks names it

_SIMILAR: Final = """
    SELECT a.task, a.version, a.title, a.asked_at, a.verdict, a.scope,
           coalesce(a.answered_by, '') AS answered_by, a.answered_at,
           a.title = $4 AND a.command = $5 AND a.diff = $6 AS is_same_call
    FROM read.approval AS a JOIN read.task AS t USING (task)
    WHERE a.account = $1 AND md5(a.covers) = md5($2) AND a.covers = $2 AND a.tool = $3
      AND t.account = $1 AND t.repository = (
          SELECT repository FROM read.task WHERE task = $7 AND account = $1)
      AND a.asked_at < $8 AND (a.task, a.version) <> ($7, $9)
      AND (NOT $10 OR a.title = $4 AND a.command = $5 AND a.diff = $6)
    ORDER BY a.asked_at DESC LIMIT $11
"""


class _Request(msgspec.Struct, frozen=True):
    """A request, and when it was made."""

    event: ApprovalRequested
    version: int
    at: datetime


_Requests = Mapping[RequestId, _Request]


def fold_requests(known: _Requests, events: Sequence[Recorded]) -> _Requests:
    """Return the requests for approval after further events. Pure."""
    asked = {
        each.event.request: _Request(each.event, each.version, each.at)
        for each in events
        if isinstance(each.event, ApprovalRequested)
    }
    return MappingProxyType({**known, **asked}) if asked else known


class PrecedentQueries:
    """Answers what people said to similar calls before."""

    def __init__(
        self, log: EventLog[GatewayEvent], pool: Pool, *, clock: Callable[[], datetime]
    ) -> None:
        self._pool = pool
        empty: _Requests = MappingProxyType({})
        self._requests = FoldCache(
            log, fold_requests, empty=empty, clock=clock, max_histories=_MAX_HISTORIES
        )

    async def find(self, history: History, request: str) -> PrecedentList:
        """Return the precedents of a request for approval. Raises Refused: 404, 503."""
        try:
            folded = await self._requests.get(history)
        except Unavailable:
            raise unavailable("The event log does not answer at the moment.") from None
        asked = folded.state.get(RequestId(request))
        if asked is None:
            raise not_found("request for approval")
        async with within(self._pool, history.account) as connection:
            rows = await _similar(connection, history, asked)
        return _counted(rows)


async def _similar(connection: Connection, history: History, asked: _Request) -> list[Precedent]:
    event = asked.event
    rows = await connection.fetch(
        _SIMILAR,
        history.account,
        *(_stored(t) for t in (event.covers, event.tool, event.title, event.command, event.diff)),
        *(history.task, asked.at, asked.version),
        *(_UNREADABLE in event.covers, _MAX_COUNTED + 1),
    )
    return [msgspec.convert(dict(row), Precedent) for row in rows]


def _stored(text: str) -> str:
    """Return a text as the projector stores it: Postgres holds no NUL."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _counted(found: Sequence[Precedent]) -> PrecedentList:
    counted = found[:_MAX_COUNTED]
    return PrecedentList(
        asked=len(counted),
        allowed=sum(each.verdict == "allow" for each in counted),
        denied=sum(each.verdict == "deny" for each in counted),
        is_capped=len(found) > _MAX_COUNTED,
        data=list(counted[:_MAX_SHOWN]),
    )
