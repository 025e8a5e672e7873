"""The provider's usage report, and reconciliation of the ledger with it.

Source: Anthropic's Admin API, "Get usage report for the Messages API": sums per minute and model,
for holders of an admin key. Without one, calls with an unknown end stay at their maximum cost.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import httpx
import msgspec

from events import Usage
from infra.runtime.clock import Clock
from infra.runtime.telemetry import logger
from services.gateway.broker.accounting.reconciliation import (
    CallPeriod,
    attribute_usage,
    call_periods,
)
from services.gateway.broker.accounting.token_usage import TokenUsage
from services.gateway.broker.model.ledger import Ledger

_PATH: Final = "/v1/organizations/usage_report/messages"
_MAX_BUCKETS: Final = 1440
_PAUSE: Final = timedelta(minutes=5)
_log = logger(__name__)


class _Cached(msgspec.Struct, frozen=True):
    ephemeral_1h_input_tokens: int = 0
    ephemeral_5m_input_tokens: int = 0


class _Result(msgspec.Struct, frozen=True):
    model: str | None = None
    uncached_input_tokens: int = 0
    cache_creation: _Cached = _Cached()
    cache_read_input_tokens: int = 0
    output_tokens: int = 0


class _Bucket(msgspec.Struct, frozen=True):
    results: list[_Result]


class _Page(msgspec.Struct, frozen=True):
    data: list[_Bucket]
    has_more: bool = False
    next_page: str | None = None


class ReportUnavailable(Exception):
    """The report is not available now; the text says why."""


class UsageReport:
    """Usage report of one organization; `key_id` selects one API key, empty for all."""

    def __init__(
        self, client: httpx.AsyncClient, *, base_url: str, admin_key: str, key_id: str
    ) -> None:
        self._client = client
        self._url = f"{base_url.rstrip('/')}{_PATH}"
        self._headers = {"x-api-key": admin_key, "anthropic-version": "2023-06-01"}
        self._key_id = key_id

    async def read(self, since: datetime, until: datetime) -> Mapping[str, TokenUsage]:
        """Return the billed usage by model. Raises ReportUnavailable."""
        query: dict[str, str | int | list[str]] = {
            "starting_at": since.isoformat(),
            "ending_at": until.isoformat(),
            "bucket_width": "1m",
            "group_by[]": ["model"],
            "limit": _MAX_BUCKETS,
        }
        if self._key_id:
            query["api_key_ids[]"] = [self._key_id]
        sums: dict[str, list[int]] = {}
        while True:
            page = await self._page(query)
            for result in (each for bucket in page.data for each in bucket.results):
                kept = sums.setdefault(result.model or "", TokenUsage().columns())
                for place, tokens in enumerate(_count(result).columns()):
                    kept[place] += tokens
            if not page.has_more or not page.next_page:
                return {
                    model: TokenUsage(Usage(*sum_[:4]), sum_[4]) for model, sum_ in sums.items()
                }
            query["page"] = page.next_page

    async def _page(self, query: Mapping[str, str | int | list[str]]) -> _Page:
        try:
            answer = await self._client.get(self._url, params=query, headers=self._headers)
        except httpx.TransportError as error:
            raise ReportUnavailable(repr(error)) from None
        if not answer.is_success:
            raise ReportUnavailable(f"status {answer.status_code}")
        try:
            return msgspec.json.decode(answer.content, type=_Page)
        except msgspec.DecodeError as error:
            raise ReportUnavailable(str(error)) from None


class Reconciliation:
    """Corrects the ledger from the report."""

    def __init__(self, ledger: Ledger, report: UsageReport, clock: Clock) -> None:
        self._ledger = ledger
        self._report = report
        self._clock = clock
        self._asked_at: datetime | None = None

    async def once(self) -> None:
        """Settle the presumed calls that the report covers by now. Raises Refused (503).

        The provider is queried at most every few minutes.
        """
        now = self._clock()
        if self._asked_at is not None and now - self._asked_at < _PAUSE:
            return
        for stretch in call_periods(await self._ledger.made(now), now):
            self._asked_at = now
            try:
                reported = await self._report.read(stretch.since, stretch.until)
            except ReportUnavailable as error:
                _log.warning("usage_report.unavailable", reason=str(error))
                return
            await self._settle(stretch, reported, now)

    async def _settle(
        self, stretch: CallPeriod, reported: Mapping[str, TokenUsage], now: datetime
    ) -> None:
        found, models = attribute_usage(stretch, reported), {c.call: c.model for c in stretch.calls}
        for call, count in found.items():
            cost = count.cost(models[call])
            await self._ledger.close(call, "settled", count, cost=cost, request="", now=now)
        left = [c.call for c in stretch.calls if c.is_presumed and c.call not in found]
        _log.info("model_calls.reconciled", calls=sorted(found), left=left)


def _count(result: _Result) -> TokenUsage:
    hourly = result.cache_creation.ephemeral_1h_input_tokens
    usage = Usage(
        input_tokens=result.uncached_input_tokens,
        output_tokens=result.output_tokens,
        cache_creation_input_tokens=result.cache_creation.ephemeral_5m_input_tokens + hourly,
        cache_read_input_tokens=result.cache_read_input_tokens,
    )
    return TokenUsage(usage, hourly)
