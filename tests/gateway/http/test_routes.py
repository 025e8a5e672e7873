"""The public API over real HTTP, on real servers."""

from uuid import uuid4

import pytest

from events import CallId, QuestionAsked, RequestId, TaskFinished
from tests.gateway.kit.problems import UNKNOWN, is_problem
from tests.kit.run.gateway import REPOSITORY


async def test_a_task_is_submitted_and_looked_at(ada):
    key = str(uuid4())
    body = {"prompt": "fix it\nplease", "repository": {"url": REPOSITORY}, "budget": {"turns": 9}}
    answer = await ada.post("/v1/tasks", body, key)
    assert answer.status_code == 201
    task = answer.json()
    assert answer.headers["location"] == f"/v1/tasks/{task['id']}"
    assert (task["phase"], task["title"], task["version"]) == ("queued", "fix it", 1)
    assert (await ada.http.get(f"/v1/tasks/{task['id']}")).json() == task
    again = await ada.post("/v1/tasks", body, key)
    assert (again.status_code, again.json()) == (201, task)


async def test_a_key_used_for_another_body_is_refused(ada):
    key = str(uuid4())
    await ada.post("/v1/tasks", {"prompt": "a", "repository": {"url": REPOSITORY}}, key)
    answer = await ada.post("/v1/tasks", {"prompt": "b", "repository": {"url": REPOSITORY}}, key)
    is_problem(answer, 422, "command_id_reused")


async def test_what_was_said_is_answered_with_its_version_and_read_at_once(ada, world):
    task = await ada.submit()
    question = QuestionAsked(request=RequestId("req_q"), call=CallId("c"), text="Which?")
    await world.append(ada.history(task), question)
    for path, body in [
        (f"questions/{question.request}", {"text": "left"}),
        ("instructions", {"text": "also this"}),
        ("budget", {"cost_microusd": 5}),
        ("interrupt", {}),
        ("cancel", {"reason": "enough"}),
    ]:
        answer = await ada.post(f"/v1/tasks/{task}/{path}", body)
        assert answer.status_code == 200, answer.text
        assert answer.json()["task"] == task
    version = answer.json()["version"]
    state = (await ada.http.get(f"/v1/tasks/{task}", params={"wait_version": version})).json()
    assert (state["version"], state["phase"]) == (version, "cancelled")


async def test_a_body_may_be_left_out_where_nothing_is_needed(ada):
    task = await ada.submit()
    for op in ("interrupt", "cancel"):
        headers = {"Idempotency-Key": str(uuid4())}
        answer = await ada.http.post(f"/v1/tasks/{task}/{op}", headers=headers)
        assert answer.status_code == 200, answer.text


async def test_a_stale_answer_is_a_conflict_that_says_what_was_said(ada, world):
    task = await ada.submit()
    asked = QuestionAsked(request=RequestId("req_q"), call=CallId("c"), text="Which?")
    await world.append(ada.history(task), asked)
    await ada.post(f"/v1/tasks/{task}/questions/req_q", {"text": "left"})
    answer = await ada.post(f"/v1/tasks/{task}/questions/req_q", {"text": "right"})
    assert "left" in is_problem(answer, 409, "question_answered")["detail"]


@pytest.mark.parametrize("path", ["/v1/tasks", f"/v1/tasks/{UNKNOWN}/cancel"])
async def test_a_post_needs_an_idempotency_key(ada, path):
    body = {"prompt": "x", "repository": {"url": REPOSITORY}} if path == "/v1/tasks" else {}
    is_problem(await ada.http.post(path, json=body), 400, "idempotency_key_missing")
    answer = await ada.http.post(path, json=body, headers={"Idempotency-Key": "7"})
    is_problem(answer, 400, "command_id_invalid")


async def test_every_route_of_anothers_task_is_not_found(ada, bob):
    task = await ada.submit()
    for path in ("", "/events", "/artifacts", "/artifacts/x", "/diff"):
        is_problem(await bob.http.get(f"/v1/tasks/{task}{path}"), 404, "not_found")
        is_problem(await bob.http.get(f"/v1/tasks/{UNKNOWN}{path}"), 404, "not_found")
    streamed = await bob.http.get(
        f"/v1/tasks/{task}/events", headers={"Accept": "text/event-stream"}
    )
    is_problem(streamed, 404, "not_found")
    for path, body in [
        ("instructions", {"text": "x"}),
        ("interrupt", {}),
        ("cancel", {}),
        ("budget", {"cost_microusd": 1}),
        ("questions/req_1", {"text": "x"}),
    ]:
        is_problem(await bob.post(f"/v1/tasks/{task}/{path}", body), 404, "not_found")
    session = ada.session["session"]
    is_problem(await bob.http.delete(f"/v1/sessions/{session}"), 404, "not_found")
    assert (await ada.http.get("/v1/me")).status_code == 200


@pytest.mark.parametrize("path", ["/v1/tasks?phase=null", "/v1/usage?until=null"])
async def test_the_word_null_is_not_taken_for_a_parameter_left_out(ada, path):
    is_problem(await ada.http.get(path), 400, "parameter_null")


@pytest.mark.parametrize("task", ["x", "*", "task_*", ">", "task_" + "A" * 26, "%2e%2e", "a%20b"])
async def test_what_is_no_task_id_is_not_found(ada, task):
    for path in ("", "/events", "/artifacts", "/diff"):
        is_problem(await ada.http.get(f"/v1/tasks/{task}{path}"), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/tasks"),
        ("POST", "/v1/tasks"),
        ("GET", f"/v1/tasks/{UNKNOWN}"),
        ("GET", f"/v1/tasks/{UNKNOWN}/events"),
        ("GET", f"/v1/tasks/{UNKNOWN}/artifacts"),
        ("GET", f"/v1/tasks/{UNKNOWN}/diff"),
        ("POST", f"/v1/tasks/{UNKNOWN}/cancel"),
        ("GET", "/v1/me"),
        ("POST", "/v1/pairings"),
        ("DELETE", "/v1/sessions/ses_x"),
    ],
)
async def test_nobody_gets_in_without_a_session(world, method, path):
    for token in ("", "errand_session_wrong"):
        nobody = await world.client(token)
        answer = await nobody.request(method, path, headers={"Idempotency-Key": str(uuid4())})
        is_problem(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("prompt", "status", "code"),
    [
        ("", 422, "text_empty"),
        ("x" * (64 * 1024 + 1), 422, "text_too_long"),
        ("x" * 1024 * 1024, 413, "body_too_large"),
    ],
)
async def test_a_prompt_of_the_wrong_size_is_told_the_limit(ada, prompt, status, code):
    body = {"prompt": prompt, "repository": {"url": REPOSITORY}}
    problem = is_problem(await ada.post("/v1/tasks", body), status, code)
    if prompt:
        assert "64 KiB" in problem["detail"] or "65536" in problem["detail"]


async def test_a_repository_of_no_forge_is_refused_with_the_remedy(ada):
    body = {"prompt": "x", "repository": {"url": "https://evil.test/a/b"}}
    problem = is_problem(await ada.post("/v1/tasks", body), 422, "repository_refused")
    assert "https://github.com/<owner>/<name>" in problem["detail"]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[]", 422),
        (b'{"prompt": 5, "repository": {"url": "x"}}', 422),
        (b'{"prompt": "x"}', 422),
        (b'{"prompt": "x", "repository": {"url": "x"}, "promt": "y"}', 422),
        (b'{"prompt": ' + b"[" * 100_000, 400),
    ],
)
async def test_a_body_that_is_not_as_expected_is_a_problem(ada, content, status):
    headers = {"Idempotency-Key": str(uuid4()), "Content-Type": "application/json"}
    answer = await ada.http.post("/v1/tasks", content=content, headers=headers)
    assert answer.status_code in (400, 422)
    problem = is_problem(answer, answer.status_code, answer.json()["code"])
    if status == 422:
        assert problem["errors"], problem


async def test_the_framework_s_own_refusals_are_problems(ada):
    is_problem(await ada.http.get("/v1/nothing"), 404, "not_found")
    is_problem(await ada.http.get("/"), 404, "not_found")
    answer = await ada.http.put("/v1/tasks")
    is_problem(answer, 405, "method_not_allowed")
    assert "GET" in answer.headers["allow"]
    answer = await ada.http.get("/v1/tasks", params={"limit": 5000})
    assert is_problem(answer, 422, "invalid_request")["errors"][0]["pointer"] == "/limit"
    is_problem(await ada.http.get("/v1/tasks", params={"phase": "dancing"}), 422, "invalid_request")


async def test_every_answer_carries_a_request_id(ada):
    mine = await ada.http.get("/v1/me", headers={"X-Request-Id": "phone-17"})
    assert mine.headers["x-request-id"] == "phone-17"
    forged = await ada.http.get("/v1/me", headers={"X-Request-Id": "a b"})
    assert forged.headers["x-request-id"] not in ("", "a b")


async def test_about_and_health_need_no_session(world):
    nobody = await world.client()
    about = (await nobody.get("/v1/about")).json()
    assert about["model"] == {"kind": "anthropic", "name": "claude-sonnet-5-5"}
    assert about["forges"] == [{"kind": "github", "url": "https://github.com"}]
    assert (await nobody.get("/health/live")).status_code == 200
    ready = await nobody.get("/health/ready")
    assert (ready.status_code, ready.json()["parts"]) == (
        200,
        {"nats": "ok", "object_store": "ok", "postgres": "ok", "redis": "ok"},
    )


async def test_the_api_is_described_without_anything_from_elsewhere(world):
    nobody = await world.client()
    page = await nobody.get("/docs")
    assert page.status_code == 200
    assert "POST /v1/tasks" in page.text
    assert "<script" not in page.text
    document = (await nobody.get("/docs/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert not any(path.startswith("/broker") for path in document["paths"])
    submit = document["paths"]["/v1/tasks"]["post"]
    assert submit["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    assert any(p["name"] == "Idempotency-Key" for p in submit["parameters"])


async def test_a_task_that_finished_is_seen_finished(ada, world):
    task = await ada.submit()
    version = await world.append(
        ada.history(task), TaskFinished(summary="done", outcome="no_changes")
    )
    state = (await ada.http.get(f"/v1/tasks/{task}", params={"wait_version": version})).json()
    assert (state["phase"], state["summary"]) == ("finished", "done")
