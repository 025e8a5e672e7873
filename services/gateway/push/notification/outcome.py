"""Outcome of a delivery attempt, and the delay before the next one. Pure."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import msgspec

MAX_ATTEMPTS: Final = 12
"""Over about two hours."""

_FIRST_SECONDS: Final = 2.0
_MAX_SECONDS: Final = 3600.0
_DIGITS: Final = re.compile(r"[0-9]{1,9}")
_REASON_CHARACTERS: Final = 200
_DEAD: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})


class Success(msgspec.Struct, frozen=True, tag=True):
    """The push service accepted it. Whether the device shows it is not reported."""

    status: int
    reason: str = ""


class InvalidAddress(msgspec.Struct, frozen=True, tag=True):
    """The device's address is not valid any more and must be deleted."""

    status: int
    reason: str


class Rejection(msgspec.Struct, frozen=True, tag=True):
    """The push service rejects it permanently."""

    status: int
    reason: str


class Retry(msgspec.Struct, frozen=True, tag=True):
    """It may work later. Status 0: no response. `after_seconds` is the requested delay."""

    status: int
    reason: str
    after_seconds: float | None = None


Outcome = Success | InvalidAddress | Rejection | Retry


def is_temporary(status: int) -> bool:
    """Return whether a status is temporary (RFC 9110 §15; RFC 8030 §8.4)."""
    temporary = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
    return status in temporary or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def outcome_of(status: int, reason: str, *, after_seconds: float | None, is_dead: bool) -> Outcome:
    """Return the outcome of a response. `is_dead`: its body says the address is invalid."""
    reason = " ".join(reason.split())[:_REASON_CHARACTERS]
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Success(status, reason)
    if is_dead:
        return InvalidAddress(status, reason)
    if is_temporary(status):
        return Retry(status, reason, after_seconds)
    return Rejection(status, reason)


def is_dead_by_status(status: int) -> bool:
    """Return whether a status alone means that a Web Push subscription is over (RFC 8030 §7.3)."""
    return status in _DEAD


def retry_after_seconds(value: str, now: datetime) -> float | None:
    """Parse Retry-After: seconds or a date (RFC 9110 §10.2.3). None when absent or invalid."""
    text = value.strip()
    if _DIGITS.fullmatch(text):
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - now).total_seconds())


def wait_before(tries: int, asked_seconds: float | None, chance: float) -> timedelta:
    """Return the delay after so many attempts: exponential with jitter, at least the requested one.

    `chance` is uniform in [0, 1). Never more than an hour, so that a wrong response has no lasting
    effect.
    """
    doubled = _FIRST_SECONDS * 2 ** (max(1, tries) - 1)
    own = doubled * (0.75 + chance / 2)
    return timedelta(seconds=min(_MAX_SECONDS, max(own, asked_seconds or 0.0)))
