"""Injected faults, for tests: the next requests that match fail in the way asked for."""

from typing import Any, Literal

import msgspec

from infra.simulators.anthropic.api.errors import Refused, misshapen

Kind = Literal["status", "stream_error", "drop", "truncate", "slow", "stop", "reply", "raw"]


class Fault(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """An injected fault, for the next `times` requests, of one user or of anybody.

    status: the error `status` (429 carries `retry_after` seconds when given). stream_error, drop,
    truncate: after `after_events` events comes an error event, a broken connection, or a clean end
    without message_stop. slow: `delay_seconds` before every delta. stop: the whole reply, but with
    `stop_reason`. reply: these blocks as `content`, with `stop_reason`; a thinking block whose
    signature is "valid" is signed. raw: `body` as it is, of `content_type`, with `status`; this is
    what a proxy or another server in between may answer.
    """

    kind: Kind
    times: int = 1
    user_id: str | None = None
    status: int = 529
    message: str = ""
    retry_after: float | None = None
    after_events: int = 4
    delay_seconds: float = 1.0
    stop_reason: str = "max_tokens"
    error_type: str = "overloaded_error"
    content: list[dict[str, Any]] = []
    body: str = ""
    content_type: str = "text/event-stream"


class Faults:
    """The misfortunes still to come, first ordered first served."""

    def __init__(self) -> None:
        self._ordered: list[Fault] = []

    def order(self, body: bytes) -> None:
        """Order a fault, a JSON object; refuses (400) a malformed one."""
        try:
            self._ordered.append(msgspec.json.decode(body, type=Fault))
        except msgspec.ValidationError as error:
            raise misshapen(error) from None
        except msgspec.DecodeError as error:
            raise Refused(400, f"a fault is a JSON object: {error}") from None

    def clear(self) -> None:
        """Order nothing any more."""
        self._ordered.clear()

    def remaining(self) -> list[Fault]:
        """Return what is still to come."""
        return [fault for fault in self._ordered if fault.times > 0]

    def strike(self, user_id: str) -> Fault | None:
        """Take the next fault that fits this request, one time of it."""
        for fault in self.remaining():
            if fault.user_id in (None, user_id):
                fault.times -= 1
                return fault
        return None


def refuse(fault: Fault) -> Refused:
    """Turn a fault of kind status into the error it orders."""
    headers: dict[str, str] = {}
    if fault.retry_after is not None:
        headers["retry-after"] = f"{fault.retry_after:g}"
        headers["retry-after-ms"] = str(round(fault.retry_after * 1000))
    return Refused(fault.status, fault.message or f"fault {fault.status} on order", headers=headers)
