"""Problems: the answer to a refused request (RFC 9457), the same over HTTP and the stream.

Every problem has a stable `code`, says its cause in `detail` and, where there is one, the remedy.
Nothing here knows of HTTP but the status numbers.
"""

from http import HTTPStatus

from events.protocol.problem import Fault, Problem

TYPE_PREFIX = "urn:errand:problem:"


class Refused(Exception):
    """The request is not carried out, and this is why.

    `retry_after_seconds` of 0 means unsaid; `instead` is the address of what to read instead.
    """

    def __init__(
        self, problem: Problem, *, retry_after_seconds: int = 0, instead: str = ""
    ) -> None:
        super().__init__(problem.detail)
        self.problem = problem
        self.retry_after_seconds = retry_after_seconds
        self.instead = instead


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    errors: tuple[Fault, ...] = (),
    retryable: bool = False,
    request_id: str = "",
) -> Problem:
    """Make a problem; type and title follow from code and status."""
    return Problem(
        type=TYPE_PREFIX + code.replace("_", "-"),
        title=_title(status),
        status=status,
        detail=detail,
        code=code,
        errors=errors,
        retryable=retryable,
        request_id=request_id,
    )


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def refused(status: int, code: str, detail: str, *, errors: tuple[Fault, ...] = ()) -> Refused:
    """Make a refusal that stands: the same request would be refused again."""
    return Refused(problem(status, code, detail, errors=errors))


def invalid(code: str, pointer: str, detail: str) -> Refused:
    """Refuse a value in the body: 422 with a pointer to it."""
    return refused(422, code, detail, errors=(Fault(pointer, detail, code),))


def not_found(what: str = "task") -> Refused:
    """Refuse what is not there, or is not the caller's: both get the same answer."""
    return refused(404, "not_found", f"There is no such {what} in your account.")


def position_lost(task: str) -> Refused:
    """Refuse to go on from a version the history does not have: it must be read again."""
    instead = f"/v1/tasks/{task}/state"
    made = problem(
        410,
        "position_lost",
        "The task's history has no such place: it is shorter, or was erased up to there. Read the "
        f"task as it stands ({instead}) and go on from its version.",
    )
    return Refused(made, instead=instead)


def unauthenticated() -> Refused:
    """Refuse a caller who has not said who they are, or no longer may."""
    return refused(
        401,
        "unauthenticated",
        "This needs a valid session token: send it as `Authorization: Bearer <token>`. "
        "Pair the device again if it was signed out.",
    )


def unavailable(detail: str, *, retry_after_seconds: int = 2) -> Refused:
    """Refuse for now: a part did not answer. Asking again with the same key is safe."""
    made = problem(503, "unavailable", detail, retryable=True)
    return Refused(made, retry_after_seconds=retry_after_seconds)


def unreachable(code: str, detail: str) -> Refused:
    """Refuse for now, and name the part that is away by a code of its own."""
    return Refused(problem(503, code, detail, retryable=True), retry_after_seconds=2)


def too_many(detail: str, *, retry_after_seconds: int) -> Refused:
    """Refuse for now: the caller asks too often."""
    made = problem(429, "too_many_requests", detail, retryable=True)
    return Refused(made, retry_after_seconds=retry_after_seconds)
