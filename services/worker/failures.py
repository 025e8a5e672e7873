"""What becomes of a model call that failed: another one, when, or the end of the task. Pure."""

from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from events import ModelFailed, TaskFailed

Kind = Literal[
    "rate_limited",
    "overloaded",
    "server_error",
    "connection_lost",
    "truncated",
    "key_refused",
    "out_of_credit",
    "request_refused",
    "switched_off",
]

PATIENCE_SECONDS: Final = 900.0
LONGEST_PAUSE_SECONDS: Final = 60.0
LONGEST_RETRY_AFTER_SECONDS: Final = 6 * 3600.0

_FATAL: Final[frozenset[Kind]] = frozenset(
    {"key_refused", "out_of_credit", "request_refused", "switched_off"}
)


class Misfortune(msgspec.Struct, frozen=True):
    """Why a call of the model came to nothing. `retry_after_seconds`: when the server named one."""

    kind: Kind
    detail: str
    retry_after_seconds: float | None = None


def failed(
    misfortune: Misfortune, *, turn: int, failures: int, since: datetime | None, now: datetime
) -> ModelFailed:
    """Record a failure, and when to try again: never, if that is no help or patience ends.

    `failures` came before this one without a success between; the first of them at `since`.
    """
    pause = misfortune.retry_after_seconds
    if pause is None:
        pause = min(LONGEST_PAUSE_SECONDS, 2.0**failures)
        is_hopeless = since is not None and (now - since).total_seconds() > PATIENCE_SECONDS
    else:
        is_hopeless = pause > LONGEST_RETRY_AFTER_SECONDS
    is_over = is_hopeless or misfortune.kind in _FATAL
    retry_at = None if is_over else now + timedelta(seconds=max(0.0, pause))
    return ModelFailed(turn=turn, kind=misfortune.kind, detail=misfortune.detail, retry_at=retry_at)


def gave_up(failure: ModelFailed) -> TaskFailed:
    """End a task whose model will not answer."""
    match failure.kind:
        case "key_refused":
            reason = "model_refused_key"
            remedy = (
                "Give the gateway a valid key (ANTHROPIC_API_KEY, or MODEL_API_KEY in production) "
                "and start it again; then say something to the task to go on."
            )
        case "out_of_credit":
            reason = "model_refused_key"
            remedy = "Add credit to the model provider's account, then say something to the task."
        case "switched_off":
            reason = "switched_off"
            remedy = "Ask the operator of this house. Once it is allowed again, say something here."
        case "request_refused":
            reason = "model_refused"
            remedy = (
                "Check that the model's name is one the provider offers. If it is, start the task "
                "anew with a shorter or different prompt."
            )
        case _:
            reason = "model_unavailable"
            remedy = "Look at the model provider's status page; then say something to the task."
    return TaskFailed(reason=reason, detail=failure.detail, remedy=remedy)


def stopped_short(stop_reason: str) -> TaskFailed:
    """End a task whose model stopped before its work was done."""
    match stop_reason:
        case "refusal":
            detail = "The model declined to go on."
            remedy = "Say it differently: write to the task what you want and why it is in order."
        case "max_tokens":
            detail = "The model's reply was longer than a reply may be, and was cut."
            remedy = "Write to the task to go on in smaller steps."
        case "model_context_window_exceeded":
            detail = "The conversation has grown longer than the model can read."
            remedy = "Start a new task from the branch, with what is left to do."
        case _:
            detail = f"The model stopped for a reason Errand does not know: {stop_reason}."
            remedy = "Write to the task to go on, or start it anew with another model."
    return TaskFailed(reason="model_refused", detail=detail, remedy=remedy)


def out_of_time() -> TaskFailed:
    """End a task whose machine's time is up."""
    return TaskFailed(
        reason="deadline",
        detail="The machine's time was up before the work was done.",
        remedy="Write to the task to go on: it takes up the work where its last snapshot left it.",
    )
