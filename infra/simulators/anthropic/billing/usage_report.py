"""The Admin API's usage report, from the rehearsal's own ledger.

Source: Anthropic's Admin API, "Get usage report for the Messages API". Of its groupings the
rehearsal knows `model`; what it has no notion of (keys, workspaces, tiers) it has one of.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from infra.simulators.anthropic.api.errors import Refused, invalid
from infra.simulators.anthropic.billing.ledger import Entry

PATH = "/v1/organizations/usage_report/messages"

_WIDTHS = {"1m": timedelta(minutes=1), "1h": timedelta(hours=1), "1d": timedelta(days=1)}
_MOST = {"1m": 1440, "1h": 168, "1d": 31}
_USUAL = {"1m": 60, "1h": 24, "1d": 7}
_GROUPS = {"api_key_id", "workspace_id", "model", "service_tier", "context_window"}
_KNOWN = {
    "starting_at",
    "ending_at",
    "bucket_width",
    "limit",
    "page",
    "group_by[]",
    "models[]",
    "api_key_ids[]",
}

JsonObject = dict[str, object]


def page(
    entries: Iterable[Entry], query: Mapping[str, Sequence[str]], *, now: datetime
) -> JsonObject:
    """Answer one page: buckets in order, empty ones too. Refuses (400) a query that is wrong."""
    for name in query.keys() - _KNOWN:
        raise invalid(name, "Extra inputs are not permitted")
    width = query.get("bucket_width", ["1d"])[0]
    if width not in _WIDTHS:
        raise invalid("bucket_width", "Input should be '1d', '1h' or '1m'")
    limit = _limit(query, width)
    groups = set(query.get("group_by[]", ()))
    if groups - _GROUPS:
        raise invalid("group_by", "is no such grouping")
    begin = _snapped(_moment(query, "page", _moment(query, "starting_at", None)), width)
    end = _moment(query, "ending_at", now)
    starts = _starts(begin, end, width)
    kept: dict[datetime, list[Entry]] = {}
    for entry in entries:
        if not query.get("models[]") or entry.model in query["models[]"]:
            kept.setdefault(_snapped(datetime.fromisoformat(entry.at), width), []).append(entry)
    data = [
        _bucket(kept.get(start, []), start, _WIDTHS[width], by_model="model" in groups)
        for start in starts[:limit]
    ]
    has_more = len(starts) > limit
    following = f"page_{_spelled(starts[limit])}" if has_more else None
    return {"data": data, "has_more": has_more, "next_page": following}


def _limit(query: Mapping[str, Sequence[str]], width: str) -> int:
    text = query.get("limit", [str(_USUAL[width])])[0]
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _MOST[width]:
        raise invalid("limit", f"Input should be from 1 to {_MOST[width]}")
    return int(text)


def _moment(query: Mapping[str, Sequence[str]], name: str, otherwise: datetime | None) -> datetime:
    text = query.get(name, [""])[0].removeprefix("page_")
    if not text and otherwise is not None:
        return otherwise
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise invalid(name, "Input should be a valid RFC 3339 datetime") from None
    if moment.tzinfo is None:
        raise Refused(400, f"{name}: Input should have timezone info")
    return moment.astimezone(UTC)


def _snapped(moment: datetime, width: str) -> datetime:
    minute = moment.replace(second=0, microsecond=0)
    if width == "1m":
        return minute
    return minute.replace(minute=0) if width == "1h" else minute.replace(minute=0, hour=0)


def _starts(begin: datetime, end: datetime, width: str) -> list[datetime]:
    count = max(0, (end - begin) // _WIDTHS[width])
    return [begin + number * _WIDTHS[width] for number in range(min(count, 100_000))]


def _bucket(
    entries: Sequence[Entry], start: datetime, width: timedelta, *, by_model: bool
) -> JsonObject:
    models = sorted({entry.model for entry in entries}) if by_model else [None][: len(entries)]
    results = [_result([e for e in entries if model in (None, e.model)], model) for model in models]
    return {
        "starting_at": _spelled(start),
        "ending_at": _spelled(start + width),
        "results": results,
    }


def _result(entries: Sequence[Entry], model: str | None) -> JsonObject:
    hourly = sum(entry.ephemeral_1h_input_tokens for entry in entries)
    written = sum(entry.cache_creation_input_tokens for entry in entries)
    return {
        "uncached_input_tokens": sum(entry.input_tokens for entry in entries),
        "cache_creation": {
            "ephemeral_1h_input_tokens": hourly,
            "ephemeral_5m_input_tokens": written - hourly,
        },
        "cache_read_input_tokens": sum(entry.cache_read_input_tokens for entry in entries),
        "output_tokens": sum(entry.output_tokens for entry in entries),
        "server_tool_use": {"web_search_requests": 0},
        "api_key_id": None,
        "workspace_id": None,
        "model": model,
        "service_tier": None,
        "context_window": None,
    }


def _spelled(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
