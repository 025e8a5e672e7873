"""Injected faults, for tests: the failures of a real platform.

A fault is asked for with POST /faults and strikes the next matching request, `times` times.
"""

from typing import Literal

import msgspec

from infra.machines_api.shapes import ApiError

Action = Literal["create", "get", "list", "wait", "start", "stop", "destroy", "events", "metadata"]


class Refusal(msgspec.Struct, frozen=True, kw_only=True, tag="refuse", tag_field="fault"):
    """The request is answered with this status and not carried out (409, 412, 422, 403, 429 …)."""

    action: Action
    status: int
    error: str = ""
    code: str = ""
    retry_after: int = 0
    times: int = 1


class LostReply(msgspec.Struct, frozen=True, kw_only=True, tag="lost_reply", tag_field="fault"):
    """The request is carried out; the connection breaks before the answer."""

    action: Action
    times: int = 1


class SlowStart(msgspec.Struct, frozen=True, kw_only=True, tag="slow_start", tag_field="fault"):
    """The next machines stay `created` for so many seconds."""

    seconds: float
    times: int = 1


class ListLag(msgspec.Struct, frozen=True, kw_only=True, tag="list_lag", tag_field="fault"):
    """Lists leave out machines younger than so many seconds, until the faults are cleared."""

    seconds: float


class Vanish(msgspec.Struct, frozen=True, kw_only=True, tag="vanish", tag_field="fault"):
    """One machine is gone at once, with no event that says how."""

    machine: str


Fault = Refusal | LostReply | SlowStart | ListLag | Vanish


class RetryLater(ApiError):
    """A refusal with a Retry-After header."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.status, refusal.error, refusal.code)
        self.retry_after_seconds = refusal.retry_after


class Faults:
    """The faults still to strike. Empty in ordinary use."""

    def __init__(self) -> None:
        self._refusals: list[Refusal] = []
        self._lost: list[LostReply] = []
        self._slow: list[SlowStart] = []
        self.list_lag_seconds = 0.0

    def add(self, fault: Refusal | LostReply | SlowStart | ListLag) -> None:
        """Inject a fault from now on."""
        match fault:
            case Refusal(times=times):
                self._refusals += [fault] * times
            case LostReply(times=times):
                self._lost += [fault] * times
            case SlowStart(times=times):
                self._slow += [fault] * times
            case ListLag(seconds=seconds):
                self.list_lag_seconds = seconds

    def clear(self) -> None:
        """Remove all faults."""
        self._refusals.clear()
        self._lost.clear()
        self._slow.clear()
        self.list_lag_seconds = 0.0

    def refuse(self, action: str) -> None:
        """Raise the next refusal due for this action, if any. Raises ApiError."""
        for refusal in self._refusals:
            if refusal.action == action:
                self._refusals.remove(refusal)
                raise RetryLater(refusal)

    def takes_reply(self, action: str) -> bool:
        """Return whether this action's answer gets lost."""
        for lost in self._lost:
            if lost.action == action:
                self._lost.remove(lost)
                return True
        return False

    def start_delay(self) -> float:
        """Return how many seconds the next start takes."""
        return self._slow.pop(0).seconds if self._slow else 0.0
