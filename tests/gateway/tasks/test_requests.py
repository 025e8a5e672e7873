from datetime import UTC, datetime

import msgspec
import pytest

from events import Budget, Repository, RequestId
from services.gateway.problems import Refused
from services.gateway.tasks.repository_url import Forge
from services.gateway.tasks.requests import MAX_PROMPT_BYTES, RequestDecoder
from services.gateway.tasks.task import (
    AnswerQuestion,
    Cancel,
    Instruct,
    Interrupt,
    RaiseBudget,
    Submit,
)

NOW = datetime(2026, 1, 2, tzinfo=UTC)
TERMS = RequestDecoder(
    (Forge(kind="github", url="https://github.com", api_url="https://x"),), "server-model"
)
URL = "https://github.com/ada/app"


def said(op, **arguments):
    return TERMS.read(op, msgspec.json.encode(arguments), NOW)


def submit(prompt="fix it", *, url=URL, base="", **more):
    return said("submit", prompt=prompt, repository={"url": url, "base": base}, **more)


def refusal(op, body):
    with pytest.raises(Refused) as refused:
        TERMS.read(op, body, NOW)
    return refused.value.problem


@pytest.mark.parametrize(
    ("op", "arguments", "command"),
    [
        ("instruct", {"text": "more"}, Instruct("more", "steer")),
        ("instruct", {"text": "more", "mode": "queue"}, Instruct("more", "queue")),
        ("answer", {"request": "req_1", "text": "a"}, AnswerQuestion(RequestId("req_1"), "a")),
        ("interrupt", {}, Interrupt()),
        ("cancel", {}, Cancel("")),
        ("cancel", {"reason": "no"}, Cancel("no")),
        ("budget", {"cost_microusd": 7}, RaiseBudget(7)),
    ],
)
def test_commands_are_read(op, arguments, command):
    assert said(op, **arguments) == command


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


OFFERING = msgspec.structs.replace(
    TERMS, models=("claude-opus-5", "claude-haiku-5-5"), task_budget_microusd=5_000_000
)


def offered(**more):
    body = {"prompt": "fix it", "repository": {"url": URL}, **more}
    return OFFERING.read("submit", msgspec.json.encode(body), NOW)


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


def test_no_body_is_an_empty_object():
    assert TERMS.read("interrupt", b"", NOW) == Interrupt()


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


def test_a_body_of_another_shape_is_pointed_at():
    problem = refusal("submit", b'{"prompt": "x", "repository": {"url": 5}}')
    assert (problem.status, problem.code) == (422, "invalid_body")
    assert problem.errors[0].pointer == "/repository/url"


def test_an_unknown_field_is_named():
    problem = refusal("submit", b'{"prompt": "x", "repository": {"url": "u"}, "promt": 1}')
    assert "promt" in problem.detail


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "not_json"),
        (b"\xff", "not_json"),
        (b'{"text": "\\ud800"}', "not_json"),
        (b'{"text": ' + b"[" * 100_000, "too_deep"),
        (b'{"x": ' + b"[" * 100_000, "too_deep"),
    ],
)
def test_what_is_not_json_is_400(body, code):
    problem = refusal("instruct", body)
    assert problem.status in (400, 422)
    assert problem.code in (code, "invalid_body")


def test_an_unknown_command_is_told_the_known_ones():
    assert "interrupt" in refusal("dance", b"{}").detail
