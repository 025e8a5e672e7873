"""The outcome of a try to deliver: no servers."""

from datetime import UTC, datetime, timedelta

import pytest

from services.gateway.push.notification.outcome import (
    MAX_ATTEMPTS,
    InvalidAddress,
    Rejection,
    Retry,
    Success,
    outcome_of,
    retry_after_seconds,
    wait_before,
)
from services.gateway.push.notification.policy import DuePush, reason_to_skip, state_after_attempt
from services.gateway.push.notification.state import EMPTY_STATE, Notice, NotificationState
from tests.kit.fakes.push_services import message

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def due(**changes):
    known = {
        "push": "p",
        "device": "dev_1",
        "kind": "web",
        "address": b"{}",
        "account": "acc_1",
        "person": "per_1",
        "task": "task_1",
        "version": 7,
        "push_class": "needs_input",
        "about": "question.asked",
        "title": "t",
        "expires_at": NOON + timedelta(days=1),
        "leased_until": NOON,
        "tries": 0,
        "was_shown": False,
        "is_signed_out": False,
    }
    return DuePush(**{**known, **changes})


ASKED = NotificationState(notice=Notice(7, "needs_input", "question.asked"))
SETTLED = NotificationState(notice=Notice(8, "withdrawn", "question.answered"))


def test_what_is_still_so_is_sent():
    assert reason_to_skip(due(), ASKED, NOON) is None


@pytest.mark.parametrize(
    ("push", "state", "why"),
    [
        (due(), SETTLED, "overtaken"),
        (due(), EMPTY_STATE, "overtaken"),
        (due(expires_at=NOON), ASKED, "expired"),
        (due(is_signed_out=True), ASKED, "signed_out"),
        (due(address=None), ASKED, "dead"),
        (due(version=8, push_class="withdrawn"), SETTLED, "overtaken"),
    ],
)
def test_what_is_no_longer_so_is_not(push, state, why):
    assert reason_to_skip(push, state, NOON) == why


def test_a_withdrawal_is_for_devices_that_may_show_something():
    withdrawal = due(version=8, push_class="withdrawn", was_shown=True)
    assert reason_to_skip(withdrawal, SETTLED, NOON) is None


def test_a_test_needs_no_task():
    assert reason_to_skip(due(task=None, version=0, push_class="test"), EMPTY_STATE, NOON) is None


def follows(outcome, tries=1):
    return state_after_attempt(outcome, message(NOON), tries, now=NOON, chance=0.5)


def test_what_follows_a_try():
    assert follows(Success(201)).state == "accepted"
    assert follows(Rejection(400, "x")).state == "declined"
    assert follows(InvalidAddress(410, "x")) == ("dead", NOON, True)
    assert follows(Retry(503, "x")) == ("waiting", NOON + timedelta(seconds=2), False)
    assert follows(Retry(0, "ConnectError"), tries=3).due_at == NOON + timedelta(seconds=8)


def test_what_a_push_service_asks_for_is_waited_for():
    assert follows(Retry(429, "x", 90.0)).due_at == NOON + timedelta(seconds=90)
    assert follows(Retry(429, "x", 10**9)).due_at == NOON + timedelta(hours=1)


def test_it_is_given_up_after_so_many_tries_or_when_it_would_come_too_late():
    assert follows(Retry(503, "x"), tries=MAX_ATTEMPTS).state == "given_up"
    late = message(NOON, expires_at=NOON + timedelta(seconds=30))
    then = state_after_attempt(Retry(429, "x", 60.0), late, 1, now=NOON, chance=0.0)
    assert then.state == "given_up"


@pytest.mark.parametrize("tries", range(1, MAX_ATTEMPTS + 1))
@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_waits_double_within_bounds(tries, chance):
    seconds = wait_before(tries, None, chance).total_seconds()
    assert 0.75 * 2**tries <= seconds or seconds == 3600
    assert seconds <= min(3600, 1.25 * 2**tries)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, Success),
        (201, Success),
        (301, Rejection),
        (400, Rejection),
        (403, Rejection),
        (408, Retry),
        (429, Retry),
        (500, Retry),
        (503, Retry),
    ],
)
def test_statuses_are_read(status, kind):
    assert isinstance(outcome_of(status, "x", after_seconds=None, is_dead=False), kind)


def test_a_long_answer_is_cut_and_put_on_one_line():
    outcome = outcome_of(400, "a\n" * 1000, after_seconds=None, is_dead=False)
    assert len(outcome.reason) == 200
    assert "\n" not in outcome.reason


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Thu, 26 Nov 2026 12:00:30 GMT", 30.0),
        ("Thu, 26 Nov 2026 11:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("١٢", None),
    ],
)
def test_retry_after_is_read(value, seconds):
    assert retry_after_seconds(value, NOON) == seconds
