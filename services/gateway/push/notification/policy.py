"""Policy for due pushes: whether to send them, and their state after an attempt. Pure."""

from datetime import datetime
from typing import Literal, NamedTuple, assert_never

import msgspec

from events import AccountId, PersonId, TaskId
from services.gateway.push.notification.address import adds_a_card, read
from services.gateway.push.notification.message import Message, is_news
from services.gateway.push.notification.outcome import (
    MAX_ATTEMPTS,
    InvalidAddress,
    Outcome,
    Rejection,
    Retry,
    Success,
    wait_before,
)
from services.gateway.push.notification.state import NotificationState, PushClass

State = Literal[
    "waiting",
    "accepted",
    "seen",
    "overtaken",
    "expired",
    "signed_out",
    "declined",
    "dead",
    "given_up",
    "withheld",
]
Unsent = Literal["overtaken", "expired", "signed_out", "dead", "withheld"]


class DuePush(msgspec.Struct, frozen=True, kw_only=True):
    """A due push, claimed by this process until `leased_until`.

    `tries` counts earlier attempts. `was_shown`: an earlier push for the same task may have reached
    the device. `address` is None when the device is dead.
    """

    push: str
    device: str
    kind: str
    address: bytes | None
    account: AccountId
    person: PersonId
    task: TaskId | None
    version: int
    push_class: PushClass
    about: str
    title: str
    expires_at: datetime
    leased_until: datetime
    tries: int
    was_shown: bool
    is_signed_out: bool


class NextState(NamedTuple):
    """Next state of a push, when it is due again if waiting, and whether the device is dead."""

    state: State
    due_at: datetime
    is_device_dead: bool = False


def reason_to_skip(due: DuePush, state: NotificationState, now: datetime) -> Unsent | None:
    """Return the reason not to send a push (any more); None to send it.

    A withdrawal is for devices that may be showing something; others need none. Where it cannot
    take a card back but only add one, it is sent if it says something by itself.
    """
    if due.address is None:
        return "dead"
    if due.is_signed_out:
        return "signed_out"
    if now >= due.expires_at:
        return "expired"
    if due.task is None:
        return None
    is_needed = due.push_class != "withdrawn" or due.was_shown
    if not is_needed or state.notice.version != due.version:
        return "overtaken"
    return "withheld" if not is_news(state.notice) and adds_a_card(read(due.address)) else None


def state_after_attempt(
    outcome: Outcome, message: Message, tries: int, *, now: datetime, chance: float
) -> NextState:
    """Return the state after an attempt. `tries` includes it; `chance` is uniform in [0, 1)."""
    match outcome:
        case Success():
            return NextState("accepted", now)
        case Rejection():
            return NextState("declined", now)
        case InvalidAddress():
            return NextState("dead", now, is_device_dead=True)
        case Retry(after_seconds=asked):
            due_at = now + wait_before(tries, asked, chance)
            if tries >= MAX_ATTEMPTS or due_at >= message.expires_at:
                return NextState("given_up", now)
            return NextState("waiting", due_at)
        case _:
            assert_never(outcome)
