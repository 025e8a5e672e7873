from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from events import ApprovalRule, Budget, Repository, RequestId
from services.gateway.problems import Refused
from services.gateway.tasks.request_validation import MAX_PROMPT_BYTES, to_command
from services.gateway.tasks.task import (
    AllowHost,
    AnswerApproval,
    AnswerQuestion,
    Archive,
    Cancel,
    Instruct,
    Interrupt,
    RaiseBudget,
    Submit,
)
from tests.gateway.kit.commands import RULES, request_for

NOW = datetime(2026, 1, 2, tzinfo=UTC)
URL = "https://github.com/ada/app"


def said(op, **arguments):
    return to_command(request_for(op, **arguments), RULES, NOW)


def submit(prompt="fix it", *, url=URL, base="", **more):
    return said("submit", prompt=prompt, repository={"url": url, "base": base}, **more)


@pytest.mark.parametrize(
    ("op", "arguments", "command"),
    [
        ("instruct", {"text": "more"}, Instruct("more", "steer")),
        ("instruct", {"text": "more", "mode": "queue"}, Instruct("more", "queue")),
        ("answer", {"request": "req_1", "text": "a"}, AnswerQuestion(RequestId("req_1"), "a")),
        (
            "approve",
            {"request": "req_1", "digest": "d", "verdict": "deny", "reason": "no"},
            AnswerApproval(RequestId("req_1"), "d", "deny", NOW, "no"),
        ),
        ("interrupt", {}, Interrupt()),
        ("cancel", {}, Cancel("")),
        ("cancel", {"reason": "no"}, Cancel("no")),
        ("archive", {}, Archive()),
        ("budget", {"cost_microusd": 7}, RaiseBudget(7)),
        ("allow_host", {"host": "API.Example.com."}, AllowHost("api.example.com", 443)),
        (
            "allow_host",
            {"host": "bücher.example", "port": 80},
            AllowHost("xn--bcher-kva.example", 80),
        ),
    ],
)
def test_commands_are_read(op, arguments, command):
    assert said(op, **arguments) == command


@pytest.mark.parametrize(
    ("arguments", "pointer"),
    [
        ({"host": ""}, "/host"),
        ({"host": "https://example.com/"}, "/host"),
        ({"host": "example.com:443"}, "/host"),
        ({"host": "2130706433"}, "/host"),
        ({"host": "example.com", "port": 0}, "/port"),
        ({"host": "example.com", "port": 65536}, "/port"),
    ],
)
def test_what_is_no_host_cannot_be_allowed(arguments, pointer):
    with pytest.raises(Refused) as refusal:
        said("allow_host", **arguments)
    assert [fault.pointer for fault in refusal.value.problem.errors] == [pointer]


def test_a_submission_is_read():
    assert submit(
        base="feature/x", effort="high", model="claude-opus-5-5", budget={"turns": 5}
    ) == (
        Submit(
            prompt="fix it",
            repository=Repository(URL, "feature/x"),
            default_model="server-model",
            model="claude-opus-5-5",
            effort="high",
            budget=Budget(turns=5),
        )
    )


OFFERING = replace(
    RULES, models=("claude-opus-5", "claude-haiku-5-5"), task_budget_microusd=5_000_000
)


def offered(**more):
    body = {"prompt": "fix it", "repository": {"url": URL}, **more}
    return to_command(request_for("submit", **body), OFFERING, NOW)


def test_without_a_sum_a_task_has_this_installations_budget():
    assert offered().budget.cost_microusd == 5_000_000
    assert offered(budget={"turns": 3}).budget == Budget(cost_microusd=5_000_000, turns=3)
    assert offered(budget={"cost_microusd": 0}).budget.cost_microusd == 0
    assert offered(budget={"cost_microusd": 50_000}).budget.cost_microusd == 50_000


@pytest.mark.parametrize("name", ["", "server-model", "claude-opus-5", "claude-haiku-5-5-20260901"])
def test_a_model_that_is_offered_is_taken(name):
    assert offered(model=name).model == name


@pytest.mark.parametrize("name", ["claude-opus-4-1", "gpt-9", "claude-opus-5-turbo"])
def test_a_model_that_is_not_offered_is_refused_with_those_that_are(name):
    with pytest.raises(Refused) as refused:
        offered(model=name)
    assert refused.value.problem.code == "model_refused"
    assert "server-model, claude-opus-5, claude-haiku-5-5" in refused.value.problem.detail


@pytest.mark.parametrize("prompt", ["", "  \n\t "])
def test_an_empty_prompt_is_refused(prompt):
    with pytest.raises(Refused) as refused:
        submit(prompt)
    assert refused.value.problem.code == "text_empty"
    assert refused.value.problem.errors[0].pointer == "/prompt"


def test_a_prompt_may_have_64_kib_and_no_byte_more():
    assert submit("ö" * (MAX_PROMPT_BYTES // 2))
    with pytest.raises(Refused) as refused:
        submit("ö" * (MAX_PROMPT_BYTES // 2) + "x")
    assert refused.value.problem.code == "text_too_long"
    assert "65537" in refused.value.problem.detail


@pytest.mark.parametrize("character", ["\0", "\x1b", "\x7f", "\b"])
def test_control_characters_are_refused(character):
    with pytest.raises(Refused) as refused:
        said("instruct", text=f"a{character}b")
    assert refused.value.problem.code == "text_refused"


@pytest.mark.parametrize("base", ["main", "feature/login", "release-1.2", "a+b", "v1_x"])
def test_branches_are_taken(base):
    assert submit(base=base).repository.base == base


@pytest.mark.parametrize(
    "base",
    [
        "-x", "--upload-pack=x", "$(id)", "a b", "a\u3000b", "a..b", "a//b", "/a", "a/", "a.", ".a",
        "a/.b", "x.lock", "x.lock/y", "a~1", "a^", "a:b", "a?", "a*", "a[", "a\\b", "a@{1}", "@",
        "refs/heads/main", "HEAD", "x" * 201, "ä", "a\n",
    ],
)  # fmt: skip
def test_branch_tricks_are_refused(base):
    with pytest.raises(Refused) as refused:
        submit(base=base)
    assert refused.value.problem.code == "branch_refused"
    assert refused.value.problem.errors[0].pointer == "/repository/base"


@pytest.mark.parametrize(
    ("budget", "pointer"),
    [
        ({"cost_microusd": -1}, "/budget/cost_microusd"),
        ({"cost_microusd": 10**12}, "/budget/cost_microusd"),
        ({"turns": -1}, "/budget/turns"),
        ({"wall_seconds": 10**9}, "/budget/wall_seconds"),
    ],
)
def test_budgets_beyond_reason_are_refused(budget, pointer):
    with pytest.raises(Refused) as refused:
        submit(budget=budget)
    assert refused.value.problem.errors[0].pointer == pointer


@pytest.mark.parametrize("cost", [0, -5, 10**12])
def test_a_raise_is_more_than_nothing_and_less_than_all(cost):
    with pytest.raises(Refused, match="from 1 to"):
        said("budget", cost_microusd=cost)


@pytest.mark.parametrize("model", ["../x", "a b", "-x", "x" * 101])
def test_strange_models_are_refused(model):
    with pytest.raises(Refused):
        submit(model=model)


RULE = {"verdict": "ask", "subject": "command", "pattern": "git push"}


def test_rules_of_approval_are_kept_in_their_order():
    other = {"verdict": "allow", "subject": "tool", "pattern": "e*"}
    assert submit(rules=[RULE, other]).rules == (
        ApprovalRule("ask", "command", "git push"),
        ApprovalRule("allow", "tool", "e*"),
    )


@pytest.mark.parametrize(
    ("rules", "pointer"),
    [
        ([RULE] * 51, "/rules"),
        ([RULE, {**RULE, "pattern": ""}], "/rules/1/pattern"),
        ([RULE, {**RULE, "pattern": " "}], "/rules/1/pattern"),
        ([{"verdict": "deny", "subject": "tool", "pattern": "Bash"}], "/rules/0/pattern"),
    ],
)
def test_a_rule_that_could_match_nothing_is_refused(rules, pointer):
    with pytest.raises(Refused) as refused:
        submit(rules=rules)
    assert refused.value.problem.errors[0].pointer == pointer
