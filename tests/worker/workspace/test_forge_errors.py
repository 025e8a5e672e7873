"""Git's messages about a forge become sentences with a remedy."""

import pytest

from services.worker.workspace.git_errors import refusal_of

AT = "http://127.0.0.1:7000/git/task_1/repository/"


@pytest.mark.parametrize(
    ("stderr", "detail"),
    [
        (
            f"fatal: unable to access '{AT}': The requested URL returned error: 502",
            "fatal: unable to access the repository: The requested URL returned error: 502.",
        ),
        (
            f"remote: Bad gateway\nfatal: unable to access '{AT}': Recv failure: reset",
            "remote: Bad gateway. fatal: unable to access the repository: Recv failure: reset.",
        ),
        ("", "git said nothing."),
    ],
)
def test_what_git_says_is_whole_sentences_without_our_own_addresses(
    stderr: str, detail: str
) -> None:
    refusal = refusal_of(stderr)
    assert refusal.detail.removeprefix("The forge did not answer. ") == detail
    assert refusal.remedy.endswith(".")
