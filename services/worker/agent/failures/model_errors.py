"""Errors of model calls: another call, and when, or the end of the task. Pure."""

from datetime import datetime, timedelta
from typing import Final, Literal, get_args

import msgspec

from events import ModelFailed, TaskFailed

_Transient = Literal[
    "rate_limited", "overloaded", "server_error", "connection_lost", "truncated", "malformed"
]
_Fatal = Literal[
    "key_refused",
    "permission_refused",
    "out_of_credit",
    "context_full",
    "request_too_large",
    "model_unknown",
    "content_filtered",
    "request_refused",
    "proxy_refused",
    "switched_off",
]
Kind = Literal[_Transient, _Fatal]
"""The kind of an error. Another call may help where it passes by itself."""

MAX_SECONDS_OF_FAILURES: Final = 900.0
"""The time that calls may fail in a row where no server names a time to come back."""

MAX_FAILURES: Final = 25
MAX_PAID_FAILURES: Final = 4
"""Replies that came, were paid for and are of no use, in a row."""

MAX_WAITED_SECONDS: Final = 24 * 3600.0
MIN_PAUSE_SECONDS: Final = 1.0
MAX_PAUSE_SECONDS: Final = 60.0
MAX_RETRY_AFTER_SECONDS: Final = 6 * 3600.0
CONTEXT_FULL: Final[frozenset[str]] = frozenset({"context_full", "request_too_large"})

_MAX_EXPONENT: Final = 6
_JITTER: Final = 0.25
_PAID: Final[frozenset[Kind]] = frozenset({"malformed"})
_FATAL: Final[frozenset[Kind]] = frozenset(get_args(_Fatal))
_GO_ON: Final = "then say something to the task to go on."


class ModelError(msgspec.Struct, frozen=True):
    """The reason why a call of the model failed. `retry_after_seconds`: if the server named one."""

    kind: Kind
    detail: str
    retry_after_seconds: float | None = None


def record_failure(
    model_error: ModelError,
    *,
    turn: int,
    failures: int,
    since: datetime | None,
    now: datetime,
    jitter: float = 0.0,
) -> ModelFailed:
    """Return the failure to record, and when to try again: never if that cannot help.

    `failures` came before this one without a success between; the first of them at `since`.
    `jitter` is from 0 to 1: it spreads the calls of many workers.
    """
    named = model_error.retry_after_seconds
    pause = min(MAX_PAUSE_SECONDS, MIN_PAUSE_SECONDS * 2.0 ** min(failures, _MAX_EXPONENT))
    if named is not None:
        pause = max(pause, named)
    most = MAX_PAID_FAILURES if model_error.kind in _PAID else MAX_FAILURES
    waited_seconds = (now - since).total_seconds() if since is not None else 0.0
    is_over = (
        model_error.kind in _FATAL
        or failures + 1 >= most
        or pause > MAX_RETRY_AFTER_SECONDS
        or waited_seconds > (MAX_SECONDS_OF_FAILURES if named is None else MAX_WAITED_SECONDS)
    )
    pause += _JITTER * jitter * min(pause, MAX_PAUSE_SECONDS)
    retry_at = None if is_over else now + timedelta(seconds=pause)
    return ModelFailed(
        turn=turn, kind=model_error.kind, detail=model_error.detail, retry_at=retry_at
    )


def model_failure(failure: ModelFailed, branch: str = "") -> TaskFailed:
    """End a task whose model will not answer. `branch` holds the work so far, if it was pushed."""
    match failure.kind:
        case "key_refused":
            reason = "model_refused_key"
            remedy = (
                "Give the broker a valid key (ANTHROPIC_API_KEY, or MODEL_API_KEY in production) "
                f"and start it again; {_GO_ON}"
            )
        case "permission_refused":
            reason = "model_refused_key"
            remedy = (
                "Allow the key to use this model in the provider's console, or give the broker "
                f"another key; {_GO_ON}"
            )
        case "out_of_credit":
            reason = "model_refused_key"
            remedy = (
                "Add credit to the model provider's account, or raise its spending limit; " + _GO_ON
            )
        case "context_full" | "request_too_large":
            return _context_full(failure.detail, branch)
        case "model_unknown":
            reason = "model_refused"
            remedy = (
                "Send the task again with another model: the provider does not offer this one to "
                "the broker's key."
            )
        case "content_filtered":
            reason = "model_refused"
            remedy = "Write to the task what you want in other words, or without the text at issue."
        case "proxy_refused":
            reason = "model_unavailable"
            remedy = (
                "Check ANTHROPIC_BASE_URL (MODEL_BASE_URL in production) and the proxy between the "
                f"gateway and the model; {_GO_ON}"
            )
        case "switched_off":
            reason = "switched_off"
            remedy = f"Ask the operator of this installation. Once it is allowed again, {_GO_ON}"
        case "request_refused":
            reason = "model_refused"
            remedy = (
                "The request itself was refused, so the same one would be again. Send a new task "
                "with another model, or report the words above to the operator."
            )
        case "malformed":
            reason = "model_malformed"
            remedy = (
                "What answers does not keep to the Messages API. Check the model and "
                f"ANTHROPIC_BASE_URL; {_GO_ON}"
            )
        case _:
            reason = "model_unavailable"
            remedy = f"Look at the model provider's status page; {_GO_ON}"
    return TaskFailed(reason=reason, detail=failure.detail, remedy=remedy)


def stop_reason_failure(stop_reason: str, branch: str = "") -> TaskFailed:
    """End a task whose model stopped before its work was done."""
    match stop_reason:
        case "refusal":
            detail = "The model declined to go on."
            remedy = "Say it differently: write to the task what you want and why it is in order."
        case "model_context_window_exceeded":
            return _context_full(
                "The conversation has grown longer than the model can read.", branch
            )
        case _:
            detail = f"The model stopped for a reason Errand does not know: {stop_reason}."
            remedy = "Write to the task to go on, or send it again with another model."
    return TaskFailed(reason="model_refused", detail=detail, remedy=remedy)


def deadline_failure() -> TaskFailed:
    """End a task whose machine's time is up."""
    return TaskFailed(
        reason="deadline",
        detail="The machine's time was up before the work was done.",
        remedy="Write to the task to go on: it takes up the work where its last snapshot left it.",
    )


def _context_full(detail: str, branch: str) -> TaskFailed:
    if branch:
        remedy = (
            f"The work so far is on the branch {branch}. Send a new task with that branch as its "
            "base, and say what is left to do: this conversation cannot grow any more."
        )
    else:
        remedy = (
            "Nothing was changed yet. Send a new task with a shorter prompt: less has to be read "
            "at once."
        )
    return TaskFailed(reason="context_full", detail=detail, remedy=remedy)
