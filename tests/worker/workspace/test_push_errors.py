"""Reasons why a forge refuses a branch, with remedies, from the forges' own words."""

import pytest

from services.worker.workspace.git_errors import pull_request_refused, refusal_of

DECLINED = (
    " ! [remote rejected] errand/t -> errand/t ({})\nerror: failed to push some refs to 'http://x'"
)
WORKFLOW = "to create or update workflow `.github/workflows/ci.yml` without"
RULES = "remote: error: GH013: Repository rule violations found\nremote: - "
PUSHES = [
    (f"refusing to allow an OAuth App {WORKFLOW} `workflow` scope", "workflow"),
    (f"refusing to allow a GitHub App {WORKFLOW} `workflows` permission", "workflow"),
    (f"{RULES}GITHUB PUSH PROTECTION\nremote: - Push cannot contain secrets", "secret"),
    (f"{RULES}Commits must have verified signatures.", "signed"),
    ("remote: error: GH006: Protected branch update failed for refs/heads/x.", "protection"),
    ("remote: error: GH001: Large files detected.", "larger than the forge takes"),
    ("remote: error: GH007: Your push would publish a private email address.", "e-mail"),
    ("remote: GitLab: You are not allowed to push code to protected branches.", "push"),
    ("remote: GitLab: Commit message does not follow the pattern 'JIRA'", "commit messages"),
    ("remote: GitLab: Commit must be signed with a GPG key", "signed"),
    ("remote: This repository was archived so it is read-only.", "archived"),
    ("pre-receive hook declined", "errand/"),
]


@pytest.mark.parametrize(("words", "remedy"), PUSHES)
def test_a_declined_push_has_a_remedy_that_fits(words, remedy):
    refused = refusal_of(f"{words}\n{DECLINED.format('pre-receive hook declined')}", is_push=True)

    assert refused.reason == "push_refused"
    assert remedy in refused.remedy
    assert len(refused.detail) < 800


@pytest.mark.parametrize(
    ("code", "reason", "remedy"),
    [
        ("forge_permission", "repository_refused", "right to open"),
        ("base_not_found", "base_not_found", "base branch"),
        ("pull_request_unrelated", "pull_request_refused", "send a new task"),
        ("repository_archived", "repository_refused", "archived"),
        ("forge_rate_limited", "forge_unreachable", "wait some minutes"),
        ("new_code", "repository_refused", "what the forge says"),
    ],
)
def test_a_refused_pull_request_says_that_the_branch_is_pushed_and_what_to_do(code, reason, remedy):
    refused = pull_request_refused(422, code, "words", "errand/task_1")

    assert refused.reason == reason
    assert remedy in refused.remedy
    assert "errand/task_1 is pushed" in refused.detail
