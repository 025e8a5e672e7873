"""Limits of a forge: texts are cut to fit before they are sent, refusals have a meaning."""

import json

import pytest

from services.gateway.broker.forge.rules.refusals import existing_number, refusal_of
from services.gateway.broker.forge.rules.text_limits import fit_body, fit_title


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_texts_are_cut_to_what_a_forge_takes(kind):
    title = fit_title("T\n\U0001f600 " * 500, "b", kind, room=7)
    assert len(title) <= (256 if kind == "github" else 255) - 7
    assert title.endswith("…")
    footer = "\n\n---\nMade by Errand, task `task_1`."
    body = fit_body("Line.\n" * 400_000 + footer, kind)
    assert len(body) <= (65_536 if kind == "github" else 1_048_576)
    assert body.endswith(footer)
    assert "cut" in body


def test_a_blank_title_is_filled_and_a_fitting_text_left_alone():
    assert fit_title(" \n\t", "errand/task_1", "github") == "Changes on errand/task_1"
    assert fit_title("Fix it", "b", "github") == "Fix it"
    assert fit_body("One\n\ntwo", "github") == "One\n\ntwo"
    assert "\0" not in fit_body("a\0b", "github")


def github(message, *errors):
    return json.dumps({"message": message, "errors": list(errors)}).encode()


def fault(message="", **fields):
    return {
        "resource": "PullRequest",
        "code": "custom",
        **({"message": message} if message else {}),
        **fields,
    }


MEANINGS = [
    (403, {}, github("Resource not accessible by integration"), 403, "forge_permission"),
    (403, {}, github("Resource not accessible by personal access token"), 403, "forge_permission"),
    (403, {}, github("Repository was archived so is read-only."), 403, "repository_archived"),
    (403, {}, github("You have exceeded a secondary rate limit."), 503, "forge_rate_limited"),
    (403, {"x-ratelimit-remaining": "0"}, github("no"), 503, "forge_rate_limited"),
    (429, {"retry-after": "7"}, b"", 503, "forge_rate_limited"),
    (401, {}, github("Bad credentials"), 403, "repository_refused"),
    (404, {}, github("Not Found"), 404, "repository_not_found"),
    (
        422,
        {},
        github("Validation Failed", fault("No commits between main and b")),
        422,
        "pull_request_empty",
    ),
    (
        422,
        {},
        github("Validation Failed", fault("A pull request already exists for o:b.")),
        422,
        "pull_request_exists",
    ),
    (
        422,
        {},
        github("Validation Failed", fault(field="base", code="invalid")),
        422,
        "base_not_found",
    ),
    (
        422,
        {},
        github("Validation Failed", fault("title is too long (maximum is 256 characters)")),
        422,
        "pull_request_text_refused",
    ),
    (
        409,
        {},
        json.dumps(
            {"message": ["Another open merge request already exists for this source branch: !12"]}
        ).encode(),
        422,
        "pull_request_exists",
    ),
    (400, {}, b'{"error": "title is missing"}', 422, "pull_request_text_refused"),
    (
        409,
        {},
        json.dumps({"message": {"target_branch": ["does not exist"]}}).encode(),
        422,
        "base_not_found",
    ),
    (502, {"content-type": "text/html"}, b"<html>" * 9_000, 503, "unavailable"),
    (422, {}, b"[" * 100_000, 422, "forge_refused"),
]


@pytest.mark.parametrize(("status", "headers", "content", "told", "code"), MEANINGS)
def test_a_refusal_of_a_forge_is_named_by_what_it_says(status, headers, content, told, code):
    refusal = refusal_of(status, headers, content)

    assert (refusal.status, refusal.code) == (told, code)
    assert len(refusal.words) <= 400
    assert "<" not in refusal.words


def test_the_number_of_an_open_merge_request_is_read():
    assert (
        existing_number("Another open merge request already exists for this source branch: !12")
        == 12
    )
    assert existing_number("no") is None
