"""Rules of approval: what they match, which of them counts, and what is left to the policy."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import ApprovalRule, CallId, TaskId
from services.worker.agent.approvals.policy import CallPolicy, approval_need, forbidden_by
from services.worker.agent.approvals.risks import THIS_ALONE
from services.worker.agent.approvals.rules import rule_on
from services.worker.agent.tool_calls import Call

TASK = TaskId("task_" + "a" * 26)


def rules(*lines: str) -> tuple[ApprovalRule, ...]:
    return tuple(ApprovalRule(*line.split(maxsplit=2)) for line in lines)  # type: ignore[arg-type]


def bash(script: str) -> Call:
    return Call(CallId("c1"), "bash", {"command": script})


def write(path: str) -> Call:
    return Call(CallId("c1"), "write", {"path": path, "content": "x"})


def verdict(call: Call, *lines: str, policy: Any = "never") -> str:
    """The verdict on a call: denied, asked about (for which reasons), or allowed."""
    held = CallPolicy(policy, rules(*lines))
    if forbidden := forbidden_by(held.rules, call):
        return f"deny: {forbidden}"
    need = approval_need(held, TASK, call, "tree")
    return f"ask: {need.covers}" if need else "allow"


@pytest.mark.parametrize(
    ("call", "line", "expected"),
    [
        (bash("git push origin main"), "ask command git push", "ask: running git push"),
        (bash("git pushy"), "ask command git push", "allow"),
        (bash("make && git push"), "deny command git push", "deny: running git push"),
        (bash("bash -c 'git push'"), "deny command git push", "deny: running git push"),
        (
            bash("npm run deploy:prod"),
            "ask command npm run deploy*",
            "ask: running npm run deploy*",
        ),
        (write("migrations/7/up.sql"), "deny path migrations", "deny: changing migrations"),
        (write("/workspace/migrations/a"), "deny path migrations/", "deny: changing migrations/"),
        (write("src/../migrations/a"), "deny path migrations", "deny: changing migrations"),
        (write("migrations.md"), "deny path migrations", "allow"),
        (bash("rm -r migrations/7"), "ask path migrations", "ask: changing migrations"),
        (bash("echo x > migrations/8"), "ask path migrations", "ask: changing migrations"),
        (bash("git mv migrations/8 old"), "ask path migrations", "ask: changing migrations"),
        (
            bash("curl -s https://API.example.com/x"),
            "deny host api.example.com",
            "deny: reaching api.example.com",
        ),
        (bash("ssh me@db.example.com"), "ask host *.example.com", "ask: reaching *.example.com"),
        (bash("curl https://example.org"), "ask host *.example.com", "allow"),
        (write("a.py"), "ask tool write", "ask: using write"),
        (bash("ls"), "ask tool *", "ask: using *"),
    ],
)
def test_a_rule_matches_what_it_names_and_nothing_else(call: Call, line: str, expected: str):
    assert verdict(call, line) == expected


def test_the_first_rule_that_matches_counts():
    assert verdict(bash("git push"), "allow command git push", "deny command git *") == "allow"
    assert verdict(bash("git push"), "deny command git *", "allow command git push").startswith(
        "deny"
    )


def test_every_command_of_a_script_is_judged_and_the_strictest_verdict_holds():
    held = ("allow command make", "ask command git push", "deny command shutdown")
    assert verdict(bash("make test"), *held, policy="always") == "allow"
    assert verdict(bash("make test; git push"), *held) == "ask: running git push"
    assert verdict(bash("git push; shutdown now"), *held).startswith("deny")


def test_what_no_rule_decides_is_left_to_the_policy():
    held = ("allow command rm -rf build", "ask command git tag")
    assert verdict(bash("rm -rf build"), *held, policy="risky") == "allow"
    assert verdict(bash("rm -rf build; git push"), *held, policy="risky") == "ask: pushing"
    assert verdict(bash("git tag v1; rm a"), *held, policy="risky") == (
        "ask: running git tag, deleting files"
    )


def test_a_rule_to_allow_covers_a_command_that_does_nothing_else():
    both = "cp a docs/a && tee docs/b src/c"
    assert verdict(bash(both), "allow path docs", policy="always").startswith("ask")
    one = "tee docs/b docs/c"
    assert verdict(bash(one), "allow path docs", policy="always") == "allow"
    assert verdict(bash("ls"), "allow path docs", policy="always").startswith("ask")


@pytest.mark.parametrize("script", ["echo 'open", "cd migrations && rm 7"])
def test_a_script_that_hides_what_it_does_is_asked_about(script: str):
    assert THIS_ALONE in verdict(bash(script), "deny path migrations")


def test_a_rule_about_the_tool_decides_on_a_script_that_cannot_be_read():
    assert verdict(bash("echo 'open"), "allow tool bash", "deny command git") == "allow"
    assert verdict(bash("echo 'open"), "deny tool bash") == "deny: using bash"


def test_without_rules_the_policy_decides_on_the_call_as_it_is():
    call = bash("cd /tmp && rm ../workspace/a")
    assert rule_on((), call).rest == (call,)
    assert rule_on(rules("deny command nothing"), call).rest == (call,)


@given(
    st.text(max_size=60),
    st.lists(
        st.builds(
            ApprovalRule,
            st.sampled_from(["allow", "ask", "deny"]),
            st.sampled_from(["tool", "command", "path", "host"]),
            st.text(min_size=1, max_size=12),
        ),
        max_size=4,
    ),
)
def test_no_script_and_no_pattern_breaks_the_rules(script: str, held: list[ApprovalRule]):
    for call in (bash(script), write(script)):
        forbidden_by(held, call)
        approval_need(CallPolicy("risky", tuple(held)), TASK, call, "tree")
