"""Git's messages become a reason and a remedy."""

import pytest

from services.worker.workspace.git_errors import refusal_of

REJECTED = " ! [remote rejected] abc -> errand/task_a (refusing to allow {})"


@pytest.mark.parametrize(
    ("who", "word"),
    [
        (
            (
                "a GitHub App to create or update workflow `.github/workflows/ci.yml` without "
                "`workflows` permission"
            ),
            "`Workflows`",
        ),
        (
            (
                "a Personal Access Token to create or update workflow `.github/workflows/ci.yml` "
                "without `workflow` scope"
            ),
            "`workflow`",
        ),
        (
            (
                "an OAuth App to create or update workflow `.github/workflows/ci.yml` without "
                "`workflow` scope"
            ),
            "`workflow`",
        ),
    ],
)
def test_a_token_without_the_right_to_workflows_is_told_how_to_get_it(who, word):
    refusal = refusal_of(REJECTED.format(who), is_push=True)

    assert refusal.reason == "push_refused"
    assert word in refusal.remedy


@pytest.mark.parametrize(
    "stderr",
    [
        (
            "error: object 1f2e3d4c: hasDotgit: contains '.git'\n"
            "fatal: fsck error in packed object\n"
            "fatal: fetch-pack: invalid index-pack output"
        ),
        (
            "error: object abcdef0123456789: duplicateEntries: contains duplicate file entries\n"
            "fatal: fsck error in packed object\nerror: RPC failed; early EOF"
        ),
        "fatal: did not receive expected object 0123456789abcdef\nfatal: invalid index-pack output",
    ],
)
def test_a_malformed_repository_is_not_a_forge_that_is_away(stderr):
    refusal = refusal_of(stderr)

    assert refusal.reason == "repository_refused"
    assert "malformed" in refusal.detail


@pytest.mark.parametrize("stderr", ["fatal: early EOF", "fatal: pack is corrupted (SHA1 mismatch)"])
def test_a_transfer_that_broke_off_is_tried_again(stderr):
    refusal = refusal_of(f"{stderr}\nfatal: fetch-pack: invalid index-pack output")

    assert refusal.reason == "forge_unreachable"
