"""Validation of requests: which values are allowed, and the command each request becomes. Pure."""

import re
from collections.abc import Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Final, assert_never

import msgspec

from events import (
    MAX_RULES,
    RULED_TOOLS,
    ApprovalRule,
    Budget,
    EnvironmentDefinition,
    Repository,
    RequestId,
    TaskSubmitted,
)
from events.limits import MAX_LINE_CHARACTERS
from events.protocol.api.egress import MAX_PORT, parse_host
from events.protocol.api.environment_values import invalid_values
from events.protocol.api.environments import EnvironmentRequest
from events.protocol.api.requests import (
    ApprovalAnswerRequest,
    ArchiveRequest,
    BudgetRaiseRequest,
    BudgetRequest,
    CancelRequest,
    ForkRequest,
    HostAllowanceRequest,
    InstructionEditRequest,
    InstructionRequest,
    InstructionWithdrawalRequest,
    InterruptRequest,
    QuestionAnswerRequest,
    TaskCommandRequest,
    TaskRequest,
)
from events.protocol.api.templates import TemplateRequest
from events.protocol.model_prices import undated
from services.gateway.problems import invalid
from services.gateway.tasks.messages.attachments import require_references
from services.gateway.tasks.repository_url import Forge, locate
from services.gateway.tasks.task import (
    AllowHost,
    AnswerApproval,
    AnswerQuestion,
    Archive,
    Cancel,
    Command,
    EditInstruction,
    Instruct,
    Interrupt,
    RaiseBudget,
    Submit,
    WithdrawInstruction,
)

MAX_PROMPT_BYTES: Final = 64 * 1024
MAX_MICROUSD: Final = 10_000_000_000
MAX_TURNS: Final = 10_000
MAX_SECONDS: Final = 7 * 24 * 3600
MAX_TEMPLATE_CHARACTERS: Final = 8000
MAX_TEMPLATE_NAME_CHARACTERS: Final = 80

_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}")
_BRANCH_TRICKS = re.compile(r"\.\.|//|/\.|\.lock(/|$)|[./]$")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")  # all but tab and line ends
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,99}")


class SubmissionRules(msgspec.Struct, frozen=True):
    """The forges and models that a new task may name, and what holds when it names none.

    `models` None means any. `task_budget_microusd` is what a task may spend when no sum is named.
    """

    forges: tuple[Forge, ...]
    default_model: str
    models: tuple[str, ...] | None = None
    task_budget_microusd: int = 0


def to_command(request: TaskCommandRequest, rules: SubmissionRules, now: datetime) -> Command:
    """Return the command that a request stands for; `now` is when it is made.

    Its attachments are added by whoever reads them.
    Raises Refused: 422 with pointers for a value that is not allowed.
    """
    match request:
        case TaskRequest():
            return _submission(request, rules)
        case InstructionRequest():
            require_references(request.attachments)
            return Instruct(_text(request.text, "/text"), request.mode)
        case InstructionEditRequest():
            return EditInstruction(request.instruction, _text(request.text, "/text"))
        case InstructionWithdrawalRequest():
            return WithdrawInstruction(request.instruction)
        case QuestionAnswerRequest():
            return AnswerQuestion(RequestId(request.request), _text(request.text, "/text"))
        case ApprovalAnswerRequest():
            return AnswerApproval(
                request=RequestId(request.request),
                digest=request.digest,
                verdict=request.verdict,
                now=now,
                reason=_text(request.reason, "/reason") if request.reason else "",
                scope=request.scope,
            )
        case InterruptRequest():
            return Interrupt()
        case CancelRequest():
            return Cancel(_text(request.reason, "/reason") if request.reason else "")
        case ArchiveRequest():
            return Archive()
        case BudgetRaiseRequest():
            return RaiseBudget(_within(request.cost_microusd, 1, MAX_MICROUSD, "/cost_microusd"))
        case HostAllowanceRequest():
            return AllowHost(_host(request.host), _within(request.port, 1, MAX_PORT, "/port"))
        case _:
            assert_never(request)


def fork_submission(
    request: ForkRequest, inherited: TaskSubmitted, rules: SubmissionRules
) -> Submit:
    """Return the submission of a fork; what the request leaves out is inherited.

    Raises Refused: 422 with pointers for a value that is not allowed.
    """
    require_references(request.attachments)
    model = request.model or inherited.model
    _check_model(model, rules)
    wanted = request.budget
    return Submit(
        prompt=_text(request.prompt, "/prompt"),
        repository=Repository(
            locate(inherited.repository.url, rules.forges).url, inherited.repository.base
        ),
        default_model=rules.default_model,
        model=model,
        effort=inherited.effort if request.effort is None else request.effort,
        policy=inherited.policy if request.policy is None else request.policy,
        rules=inherited.rules if request.rules is None else _rules(request.rules),
        budget=inherited.budget if wanted is None else _budget(wanted, rules),
        has_default_budget=wanted is not None and _has_default(wanted, rules),
        environment=inherited.environment if inherited.environment_source == "task" else None,
        environment_source="task" if inherited.environment_source == "task" else "",
    )


def validate_template(request: TemplateRequest) -> None:
    """Check a template. Raises Refused: 422 with pointers for a value that is not allowed.

    Which forges and models there are may change before it is used, and is asked then.
    """
    _short_text(_text(request.text, "/text"), MAX_TEMPLATE_CHARACTERS, "/text")
    if request.kind == "reply":
        if request != TemplateRequest(kind="reply", text=request.text):
            raise invalid("reply_refused", "/kind", "A quick reply has a text and nothing else.")
        return
    _short_text(_text(request.name, "/name"), MAX_TEMPLATE_NAME_CHARACTERS, "/name")
    if request.repository is not None:
        url = _text(request.repository.url, "/repository/url")
        _short_text(url, MAX_LINE_CHARACTERS, "/repository/url")
        _branch(request.repository.base)
    if request.model:
        _check_model_name(request.model)
    if request.budget is not None:
        _limits(request.budget, default_microusd=0)


def _submission(request: TaskRequest, rules: SubmissionRules) -> Submit:
    prompt = _text(request.prompt, "/prompt")
    require_references(request.attachments)
    place = locate(request.repository.url, rules.forges)
    _check_model(request.model, rules)
    return Submit(
        prompt=prompt,
        repository=Repository(place.url, _branch(request.repository.base)),
        default_model=rules.default_model,
        model=request.model,
        effort=request.effort,
        policy=request.policy,
        rules=_rules(request.rules),
        budget=_budget(request.budget, rules),
        has_default_budget=_has_default(request.budget, rules),
        environment=to_definition(request.environment, "/environment")
        if request.environment
        else None,
        environment_source="task" if request.environment else "",
    )


def _rules(rules: Sequence[ApprovalRule]) -> tuple[ApprovalRule, ...]:
    """Check rules of approval. Raises Refused: 422 with pointers."""
    if len(rules) > MAX_RULES:
        detail = f"There are {len(rules)} rules; a task may have {MAX_RULES}."
        raise invalid("rules_refused", "/rules", detail)
    for place, rule in enumerate(rules):
        pointer = f"/rules/{place}/pattern"
        _short_text(_text(rule.pattern, pointer), MAX_LINE_CHARACTERS, pointer)
        if rule.subject == "tool" and not any(fnmatchcase(t, rule.pattern) for t in RULED_TOOLS):
            detail = f"No tool is called {rule.pattern}. Rules are about {', '.join(RULED_TOOLS)}."
            raise invalid("rules_refused", pointer, detail)
    return tuple(rules)


def to_definition(request: EnvironmentRequest, pointer: str = "") -> EnvironmentDefinition:
    """Return the definition that a request makes. Raises Refused: 422 with a pointer."""
    try:
        definition = msgspec.convert(msgspec.structs.asdict(request), EnvironmentDefinition)
    except msgspec.ValidationError as error:
        raise invalid("environment_refused", pointer, f"{error}. Correct it.") from None
    for each in invalid_values(definition):
        raise invalid("environment_refused", f"{pointer}{each.pointer}", each.text)
    return definition


def _has_default(wanted: BudgetRequest, rules: SubmissionRules) -> bool:
    return wanted.cost_microusd is None and rules.task_budget_microusd > 0


def _budget(wanted: BudgetRequest, rules: SubmissionRules) -> Budget:
    return _limits(wanted, default_microusd=rules.task_budget_microusd)


def _limits(wanted: BudgetRequest, *, default_microusd: int) -> Budget:
    cost = wanted.cost_microusd
    return Budget(
        cost_microusd=default_microusd
        if cost is None
        else _within(cost, 0, MAX_MICROUSD, "/budget/cost_microusd"),
        turns=_within(wanted.turns, 0, MAX_TURNS, "/budget/turns"),
        wall_seconds=_within(wanted.wall_seconds, 0, MAX_SECONDS, "/budget/wall_seconds"),
    )


def _check_model(name: str, rules: SubmissionRules) -> None:
    """Raise Refused for a model that is not offered here, naming those that are."""
    if name:
        _check_model_name(name)
    if not name or name == rules.default_model or rules.models is None:
        return
    if name not in rules.models and undated(name) not in rules.models:
        offered = ", ".join(dict.fromkeys((rules.default_model, *rules.models)))
        raise invalid(
            "model_refused", "/model", f"{name} is not offered here. Offered are: {offered}."
        )


def _check_model_name(name: str) -> None:
    if not _MODEL.fullmatch(name):
        raise invalid("model_refused", "/model", "This is not a model's name.")


def _short_text(text: str, max_characters: int, pointer: str) -> None:
    if len(text) > max_characters:
        raise invalid(
            "text_too_long",
            pointer,
            f"`{pointer[1:]}` has {len(text)} characters; at most {max_characters} are taken.",
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


def _host(text: str) -> str:
    try:
        host, port = parse_host(text)
    except ValueError as error:
        raise invalid("host_invalid", "/host", str(error)) from None
    if port:
        raise invalid("host_invalid", "/host", "The port of a host stands in `port`.")
    return host


def _within(number: int, least: int, most: int, pointer: str) -> int:
    if not least <= number <= most:
        raise invalid("out_of_range", pointer, f"This must be from {least} to {most}.")
    return number
