"""The code by which a machine proves which attempt it is."""

import re

from hypothesis import given
from hypothesis import strategies as st

from events import TaskId
from infra.runtime.machine_claim import claim_code, is_claim

TASK = TaskId("task_a")


def test_a_code_is_forty_characters_of_base32_and_always_the_same() -> None:
    code = claim_code("secret", TASK, 1)

    assert re.fullmatch(r"[a-z2-7]{40}", code)
    assert claim_code("secret", TASK, 1) == code


def test_a_code_is_good_for_one_attempt_of_one_task_under_one_secret() -> None:
    code = claim_code("secret", TASK, 1)

    assert is_claim("secret", TASK, 1, code)
    assert not is_claim("secret", TASK, 2, code)
    assert not is_claim("secret", TaskId("task_b"), 1, code)
    assert not is_claim("another", TASK, 1, code)


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_nothing_else_is_a_claim(guess: str) -> None:
    assert is_claim("secret", TASK, 1, guess) == (guess == claim_code("secret", TASK, 1))
