"""Notification message, independent of the push service. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from events import TaskId
from services.gateway.push.notification.state import Notice, PushClass

WAIT: Final = timedelta(seconds=3)
"""The time an event waits before it is pushed: who is looking has seen it by then."""


class DeliveryOptions(NamedTuple):
    """Delivery options of a class of pushes: lifetime and urgency."""

    keep: timedelta
    is_urgent: bool


DELIVERY_OPTIONS: Final[Mapping[PushClass, DeliveryOptions]] = {
    "needs_input": DeliveryOptions(timedelta(days=3), is_urgent=True),
    "failed": DeliveryOptions(timedelta(days=1), is_urgent=False),
    "done": DeliveryOptions(timedelta(days=1), is_urgent=False),
    "withdrawn": DeliveryOptions(timedelta(days=1), is_urgent=False),
    "test": DeliveryOptions(timedelta(minutes=5), is_urgent=True),
}

_HEADLINES: Final[Mapping[str, str]] = {
    "question.asked": "A question for you",
    "approval.requested": "Your approval is needed",
    "budget.exhausted": "Waiting: a budget limit is reached",
    "task.finished": "Done",
    "task.failed": "Failed",
    "task.abandoned": "Could not be carried out",
    "test": "Notifications reach this device",
}
_SETTLED: Final[Mapping[tuple[str, str], str]] = {
    ("question.answered", ""): "Answered on another device",
    ("approval.answered", "allow"): "Allowed on another device",
    ("approval.answered", "deny"): "Denied on another device",
    ("budget.raised", ""): "Budget raised on another device",
}
"""By tag and verdict: withdrawals that are news by themselves."""
_WITHDRAWN: Final = "Nothing to do any more"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One notification for one device: ids and two short lines. No code; of the prompt, its title.

    `push` is a UUID, the same at every attempt. `collapse` is the key by which newer ones replace
    it: at most 32 characters of base64url. `kind` and `request` name what is asked, or what was
    settled. `badge` is how many tasks wait for an answer; None when that is not known.
    """

    push: str
    push_class: PushClass
    collapse: str
    headline: str
    text: str
    url: str
    expires_at: datetime
    task: TaskId | None = None
    version: int = 0
    kind: str = ""
    request: str = ""
    badge: int | None = None

    @property
    def is_withdrawal(self) -> bool:
        """Return whether it withdraws a notification instead of showing one."""
        return self.push_class == "withdrawn"

    @property
    def is_urgent(self) -> bool:
        """Return whether the task waits for the person."""
        return DELIVERY_OPTIONS[self.push_class].is_urgent

    @property
    def ids(self) -> dict[str, str]:
        """Ids with which a device asks the gateway for the rest; every value is text."""
        task = {"task": str(self.task), "version": str(self.version)} if self.task else {}
        ask = {"kind": self.kind, "request": self.request}
        known = {name: value for name, value in ask.items() if value}
        return {"push": self.push, "class": self.push_class, **task, **known}

    def seconds_left(self, now: datetime) -> int:
        """Return how long a push service should store it; at least a second."""
        return max(1, int((self.expires_at - now).total_seconds()))


def headline(about: str, push_class: PushClass, verdict: str = "") -> str:
    """Return a short headline for an event of tag `about`."""
    if push_class == "withdrawn":
        return _SETTLED.get((about, verdict), _WITHDRAWN)
    return _HEADLINES.get(about, "News")


def is_news(notice: Notice) -> bool:
    """Return whether the notice says something by itself, where nothing was shown before it."""
    if notice.push_class != "withdrawn":
        return True
    return (notice.about, notice.verdict) in _SETTLED
