"""From the bytes of a command to the command: what may be said, and how long. Pure."""

import re
from datetime import datetime
from typing import Final, Literal, TypeVar

import msgspec

from events import Budget, InstructionMode, Policy, Repository, RequestId, Scope, Verdict
from events.protocol.model_prices import undated
from events.protocol.problem import Fault
from services.gateway.problems import Refused, invalid, refused
from services.gateway.tasks.repository_url import Forge, locate
from services.gateway.tasks.task import (
    AnswerApproval,
    AnswerQuestion,
    Archive,
    Cancel,
    Command,
    Instruct,
    Interrupt,
    RaiseBudget,
    Submit,
)

MAX_PROMPT_BYTES: Final = 64 * 1024
MAX_MICROUSD: Final = 10_000_000_000
MAX_TURNS: Final = 10_000
MAX_SECONDS: Final = 7 * 24 * 3600

_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}")
_BRANCH_TRICKS = re.compile(r"\.\.|//|/\.|\.lock(/|$)|[./]$")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")  # all but tab and line ends
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,99}")

Effort = Literal["", "low", "medium", "high", "xhigh", "max"]
Body = TypeVar("Body", bound=msgspec.Struct)


class _Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a command, as clients write it."""


class RepositoryRequest(_Asked, frozen=True):
    """Where to work; without `base` the repository's default branch."""

    url: str
    base: str = ""


class BudgetRequest(_Asked, frozen=True):
    """What the task may spend at most; 0 means no limit. Money in millionths of a US dollar.

    Without `cost_microusd` this installation's default holds.
    """

    cost_microusd: int | None = None
    turns: int = 0
    wall_seconds: int = 0


class TaskRequest(_Asked, frozen=True):
    """Ask for work on a repository."""

    prompt: str
    repository: RepositoryRequest
    model: str = ""
    effort: Effort = ""
    budget: BudgetRequest = BudgetRequest()
    policy: Policy = "never"


class InstructionRequest(_Asked, frozen=True):
    """Say more: before the next model call (steer), or after the work (queue)."""

    text: str
    mode: InstructionMode = "steer"


class AnswerRequest(_Asked, frozen=True):
    """Answer a question."""

    text: str


class QuestionAnswerRequest(_Asked, frozen=True):
    """Answer the question `request`, on the stream."""

    request: str
    text: str


class ApprovalAnswerRequest(_Asked, frozen=True):
    """Answer the request `request`, on the stream. `digest` is that of what was seen."""

    request: str
    digest: str
    verdict: Verdict
    reason: str = ""
    scope: Scope = "once"


class VerdictRequest(_Asked, frozen=True):
    """Allow or deny what the agent asked to do; with scope `task`, the like of it too.

    `digest` is that of the request as it was shown: it binds the answer to what was seen.
    """

    digest: str
    verdict: Verdict
    reason: str = ""
    scope: Scope = "once"


class InterruptRequest(_Asked, frozen=True):
    """Stop what runs now."""


class CancelRequest(_Asked, frozen=True):
    """Withdraw the work."""

    reason: str = ""


class ArchiveRequest(_Asked, frozen=True):
    """Put a task that has ended out of sight."""


class BudgetRaiseRequest(_Asked, frozen=True):
    """Allow this much more, in millionths of a US dollar."""

    cost_microusd: int


class RequestDecoder(msgspec.Struct, frozen=True):
    """What this server offers: its forges, the model it uses when none is named, and the others.

    `models` None means any. `task_budget_microusd` is what a task may spend when no sum is named.
    """

    forges: tuple[Forge, ...]
    default_model: str
    models: tuple[str, ...] | None = None
    task_budget_microusd: int = 0

    def read(self, op: str, arguments: bytes, now: datetime) -> Command:
        """Read a command: `op` is one of those that _OPS names; `now` is when it is said.

        Raises Refused: 400 for what is not JSON or no known op, 422 with pointers for a value that
        is not allowed.
        """
        match op:
            case "submit":
                return self._submit(_decode(arguments, TaskRequest))
            case "instruct":
                said = _decode(arguments, InstructionRequest)
                return Instruct(_text(said.text, "/text"), said.mode)
            case "answer":
                answer = _decode(arguments, QuestionAnswerRequest)
                return AnswerQuestion(RequestId(answer.request), _text(answer.text, "/text"))
            case "approve":
                return _approval(_decode(arguments, ApprovalAnswerRequest), now)
            case "interrupt":
                _decode(arguments, InterruptRequest)
                return Interrupt()
            case "cancel":
                reason = _decode(arguments, CancelRequest).reason
                return Cancel(_text(reason, "/reason") if reason else "")
            case "archive":
                _decode(arguments, ArchiveRequest)
                return Archive()
            case "budget":
                raised = _decode(arguments, BudgetRaiseRequest).cost_microusd
                return RaiseBudget(_within(raised, 1, MAX_MICROUSD, "/cost_microusd"))
            case _:
                raise refused(400, "unknown_op", f"There is no command `{op[:40]}`. {_OPS}")

    def _submit(self, wish: TaskRequest) -> Submit:
        prompt = _text(wish.prompt, "/prompt")
        place = locate(wish.repository.url, self.forges)
        if wish.model and not _MODEL.fullmatch(wish.model):
            raise invalid("model_refused", "/model", "This is not a model's name.")
        self._check_model(wish.model)
        budget = wish.budget
        cost = budget.cost_microusd
        return Submit(
            prompt=prompt,
            repository=Repository(place.url, _branch(wish.repository.base)),
            default_model=self.default_model,
            model=wish.model,
            effort=wish.effort,
            policy=wish.policy,
            budget=Budget(
                cost_microusd=self.task_budget_microusd
                if cost is None
                else _within(cost, 0, MAX_MICROUSD, "/budget/cost_microusd"),
                turns=_within(budget.turns, 0, MAX_TURNS, "/budget/turns"),
                wall_seconds=_within(budget.wall_seconds, 0, MAX_SECONDS, "/budget/wall_seconds"),
            ),
            has_default_budget=cost is None and self.task_budget_microusd > 0,
        )

    def _check_model(self, name: str) -> None:
        """Raise Refused for a model that is not offered here, naming those that are."""
        if not name or name == self.default_model or self.models is None:
            return
        if name not in self.models and undated(name) not in self.models:
            offered = ", ".join(dict.fromkeys((self.default_model, *self.models)))
            raise invalid(
                "model_refused", "/model", f"{name} is not offered here. Offered are: {offered}."
            )


_OPS = "Known are submit, instruct, answer, approve, interrupt, cancel, archive and budget."


def _approval(wish: ApprovalAnswerRequest, now: datetime) -> AnswerApproval:
    return AnswerApproval(
        request=RequestId(wish.request),
        digest=wish.digest,
        verdict=wish.verdict,
        now=now,
        reason=_text(wish.reason, "/reason") if wish.reason else "",
        scope=wish.scope,
    )


def _decode(arguments: bytes, kind: type[Body]) -> Body:
    try:
        return msgspec.json.decode(arguments or b"{}", type=kind)
    except msgspec.ValidationError as error:
        raise _not_as_expected(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refused(400, "not_json", f"The body is not valid JSON: {error}.") from None
    except RecursionError:
        raise refused(400, "too_deep", "The body is nested too deeply.") from None


def _not_as_expected(text: str) -> Refused:
    # msgspec says: "Expected `str`, got `int` - at `$.repository.url`".
    detail, _, path = text.partition(" - at `$")
    pointer = re.sub(r"[.\[]", "/", path.rstrip("`")).replace("]", "")
    return refused(
        422,
        "invalid_body",
        f"The body is not as expected: {text}. See /docs for its shape.",
        errors=(Fault(pointer, detail, "invalid"),),
    )


def _text(text: str, pointer: str) -> str:
    if not text.strip():
        raise invalid("text_empty", pointer, f"`{pointer[1:]}` is empty: say what is to be done.")
    size = len(text.encode())
    if size > MAX_PROMPT_BYTES:
        raise invalid(
            "text_too_long",
            pointer,
            f"`{pointer[1:]}` has {size} bytes; at most {MAX_PROMPT_BYTES} are taken. "
            "Put long material into a file of the repository and name it here.",
        )
    if _CONTROL.search(text):
        raise invalid(
            "text_refused",
            pointer,
            f"`{pointer[1:]}` holds control characters (such as NUL or escape); remove them.",
        )
    return text


def _branch(name: str) -> str:
    fits = _BRANCH.fullmatch(name) and not _BRANCH_TRICKS.search(name)
    if name and (not fits or name.startswith("refs/") or name == "HEAD"):
        raise invalid(
            "branch_refused",
            "/repository/base",
            "This is not a branch name that is taken: letters, digits and `. _ / + -`, as in "
            "`main` or `feature/login`.",
        )
    return name


def _within(number: int, least: int, most: int, pointer: str) -> int:
    if not least <= number <= most:
        raise invalid("out_of_range", pointer, f"This must be from {least} to {most}.")
    return number
