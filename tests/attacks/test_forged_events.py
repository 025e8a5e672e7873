"""Facts of the control plane, forged with a worker's real credentials: none of them counts.

Each attack is judged by raw reads of the log, of Postgres and of the machines; what a person sees
is the visible end of the task, `tampered`, and nothing else that the attacker said.
"""

import base64
import json
from hashlib import sha256
from typing import Any

import pytest

from tests.kit.probe.eventually import eventually
from tests.kit.run.attacker import Attacker, beside, is_genuine, machines, raw, rows, taken_over
from tests.kit.run.phone import repository, stored
from tests.kit.servers.nats_connections import as_admin

LATER = "2099-01-01T00:00:00Z"
GUEST = {"cpu_kind": "performance", "cpus": 16, "memory_mb": 131_072}
ELSEWHERE = {"url": "https://forge.example/victim/canary.git", "base": "main"}
FORGERIES: dict[str, dict[str, Any]] = {
    "task.submitted": {"prompt": "evil", "repository": ELSEWHERE, "model": "m"},
    "task.instructed": {"text": "evil"},
    "instruction.edited": {"instruction": 2, "text": "evil"},
    "instruction.withdrawn": {"instruction": 2},
    "approval.answered": {"request": "req_x", "digest": "d", "verdict": "allow"},
    "question.answered": {"request": "req_x", "text": "evil"},
    "budget.raised": {"cost_microusd": 10**9},
    "egress.allowed": {"host": "evil.example", "port": 443},
    "task.interrupted": {},
    "task.cancelled": {"reason": "evil"},
    "task.archived": {},
    "machine.requested": {
        "attempt": 9, "name": "evil-a9", "region": "local", "guest": GUEST, "deadline": LATER,
    },
    "machine.started": {"attempt": 1, "machine": "evil", "region": "local", "seconds": 1.0},
    "machine.refused": {"attempt": 1, "reason": "evil", "retry_at": LATER, "detail": "evil"},
    "machine.lost": {"attempt": 1, "reason": "evil", "retry_at": LATER, "detail": "evil"},
    "machine.destroyed": {
        "attempt": 1, "machine": "evil", "billed_seconds": 1.0, "cost_microusd": 10**9,
    },
    "task.abandoned": {"reason": "evil", "detail": "evil", "remedy": "evil"},
    "task.erased": {"reason": "evil"},
}  # fmt: skip


@pytest.fixture(scope="module")
def place():
    return {}


async def own_repository(stack, place) -> str:
    """One repository for all attacks of this module."""
    if "url" not in place:
        place["url"] = (await repository(stack, "slugify")).url.removesuffix(".git")
    return place["url"]


async def until_tampered(attacker: Attacker, phone) -> dict[str, Any]:
    """Return the task as its owner sees it once it has failed visibly."""
    return await eventually(
        lambda: phone.task(attacker.task),
        until=lambda task: task["phase"] == "failed" and task["failure"]["reason"] == "tampered",
        seconds=60,
    )


async def require_visible_end_and_nothing_else(attacker: Attacker, phone, url: str) -> None:
    """Require of every store that it shows the genuine events and one genuine abandonment."""
    shown = await until_tampered(attacker, phone)
    assert shown["repository"]["url"] == url
    assert "sequence" in shown["failure"]["detail"]
    assert shown["failure"]["remedy"]
    seen = await stored(attacker.stack, {"id": attacker.task, "account": attacker.account})
    ends = [r for r in seen if r.event.__struct_config__.tag == "task.abandoned"]
    assert [end.event.reason for end in ends] == ["tampered"]
    assert b"evil" not in b"".join(r.body for r in seen)
    genuine = {m.sequence for m in await attacker.raw() if _is_signed(attacker, m)}
    control = [r for r in seen if not r.by.startswith("worker:")]
    assert {r.sequence for r in control} <= genuine
    tags = [r.event.__struct_config__.tag for r in seen]
    projected = "SELECT array_agg(type ORDER BY version) FROM read.event WHERE task = $1"
    await eventually(
        lambda: rows(attacker.stack, projected, attacker.task), until=lambda row: row == [(tags,)]
    )
    reasons = await _dead_letters(attacker)
    assert any("forged or tampered with" in reason for reason in reasons)


def _is_signed(attacker: Attacker, message) -> bool:
    return b"Errand-Mac" in message.headers and is_genuine(
        attacker.stack, attacker.subject, message
    )


async def _dead_letters(attacker: Attacker) -> list[str]:
    parked = await raw_letters(attacker.stack)
    return [h for h in parked if attacker.task in h]


async def raw_letters(stack) -> list[str]:
    found, after = [], 0
    async with as_admin(stack) as admin:
        while True:
            question = json.dumps({"seq": after + 1, "next_by_subj": "dead.*"}).encode()
            name = "$JS.API.STREAM.MSG.GET.DEADLETTERS"
            answer = json.loads((await admin.client.request(name, question, timeout=10)).data)
            if "message" not in answer:
                return found
            after = answer["message"]["seq"]
            found.append(base64.b64decode(answer["message"].get("hdrs", "")).decode())


@pytest.mark.parametrize("tag", FORGERIES)
async def test_a_forged_fact_counts_for_nothing_and_ends_the_task_visibly(
    attacked, phone, place, tag
):
    url = await own_repository(attacked, place)
    async with taken_over(attacked, phone, url) as attacker:
        await attacker.forge(tag, **FORGERIES[tag])
        await require_visible_end_and_nothing_else(attacker, phone, url)


HEADERS = {
    "garbage": lambda mac: "Errand-Mac: nonsense\r\n",
    "truncated": lambda mac: f"Errand-Mac: {mac[:-3]}\r\n",
    "another event's": lambda mac: f"Errand-Mac: {mac}\r\n",
    "two": lambda mac: f"Errand-Mac: {mac}\r\nErrand-Mac: {mac}\r\n",
    "a wrong role's": lambda mac: f"Errand-Mac: {mac.replace('gateway', 'scheduler')}\r\n",
    "not ascii": lambda mac: "Errand-Mac: 1.gateway.1." + "\u00e9" * 43 + "\r\n",
    "another type's name": lambda mac: "Errand-Type: plan.updated\r\nErrand-Version: 1\r\n",
}


@pytest.mark.parametrize("kind", HEADERS)
async def test_no_header_makes_a_forged_fact_count(attacked, phone, place, kind):
    url = await own_repository(attacked, place)
    async with taken_over(attacked, phone, url) as attacker:
        [submitted, *_] = await attacker.raw()
        mac = _mac_of(submitted)
        await attacker.forge("budget.raised", HEADERS[kind](mac), cost_microusd=10**9, x="evil")
        await require_visible_end_and_nothing_else(attacker, phone, url)


def _mac_of(message) -> str:
    return message.headers.decode().partition("Errand-Mac: ")[2].partition("\r\n")[0]


async def test_a_genuine_event_counts_once_and_at_its_own_place(attacked, phone, victim, place):
    url = await own_repository(attacked, place)
    async with taken_over(attacked, phone, url) as attacker:
        [submitted, *_] = await attacker.raw()
        genuine = f"Errand-Mac: {_mac_of(submitted)}\r\n"
        await attacker.say(submitted.body, genuine)  # the very same again
        before = await phone.task(attacker.task)
        assert before["phase"] not in ("failed", "finished", "cancelled")
        other = await phone.submit("Fix it", url)
        [elsewhere, *_] = await raw(attacked, f"events.{other['account']}.{other['id']}")
        own = elsewhere.body.replace(other["id"].encode(), attacker.task.encode())
        await attacker.say(own, f"Errand-Mac: {_mac_of(elsewhere)}\r\n")
        await until_tampered(attacker, phone)
        await phone.post(f"/v1/tasks/{other['id']}/cancel", {})


async def test_a_forged_fact_between_own_events_of_one_batch_counts_for_nothing(
    attacked, phone, place
):
    url = await own_repository(attacked, place)
    async with taken_over(attacked, phone, url) as attacker:
        version = await attacker.next_version()
        started = {"attempt": 1, "machine": "m", "build": "", "by": "worker:1"}
        await attacker.say(attacker.fact("attempt.started", version, **started))
        forged = attacker.fact("budget.raised", version + 1, cost_microusd=10**9, x="evil")
        own = attacker.fact("task.finished", version + 2, summary="evil", outcome="x")
        await attacker.say(forged)
        await attacker.say(own)
        await require_visible_end_and_nothing_else(attacker, phone, url)


async def test_a_forged_fact_after_the_end_shows_that_the_end_is_not_to_be_trusted(
    attacked, phone, place
):
    url = await own_repository(attacked, place)
    async with taken_over(attacked, phone, url) as attacker:
        version = await attacker.next_version()
        started = {"attempt": 1, "machine": "m", "build": "", "by": "worker:1"}
        await attacker.say(attacker.fact("attempt.started", version, **started))
        done = {"summary": "fine", "outcome": "branch", "by": "worker:1"}
        await attacker.say(attacker.fact("task.finished", version + 1, **done))
        await attacker.forge("task.archived", x="evil")
        await require_visible_end_and_nothing_else(attacker, phone, url)


@pytest.mark.parametrize(
    "headers",
    [
        "Status: 404\r\n",
        "Status: 503\r\nDescription: x\r\n",
        "Status: 204\r\nNats-Last-Sequence: 0\r\n",
        "Nats-Sequence: 1\r\nNats-Last-Sequence: 9\r\nNats-Subject: events.a.b\r\n",
    ],
)
async def test_headers_that_look_like_the_servers_own_hide_no_history(
    attacked, phone, place, headers
):
    url = await own_repository(attacked, place)
    async with taken_over(attacked, phone, url) as attacker:
        await attacker.say(b"{}", headers)
        path = f"/v1/tasks/{attacker.task}"
        events = await phone.get(f"{path}/events")
        assert events["data"][0]["type"] == "task.submitted"
        await phone.post(f"{path}/cancel", {})
        shown = await eventually(
            lambda: phone.task(attacker.task), until=lambda task: task["phase"] == "cancelled"
        )
        assert shown["repository"]["url"] == url


async def test_another_repository_is_neither_read_nor_written(attacked, phone, victim):
    own, canary = await repository(attacked, "slugify"), await repository(attacked, "inventory")
    url = own.url.removesuffix(".git")
    async with taken_over(attacked, phone, url) as attacker:
        place = {"url": canary.url, "base": "main"}
        query = f"git/{attacker.task}.git/info/refs?service=git-upload-pack"
        before = await attacker.broker("GET", query)
        assert before.status_code == 200
        await attacker.forge("task.submitted", prompt="evil", repository=place, model="m")
        for _ in range(5):
            after = await attacker.broker("GET", query)
            assert after.status_code == 401 or after.content == before.content
        await require_visible_end_and_nothing_else(attacker, phone, url)
        bound = "SELECT repository FROM accounts.broker_token WHERE task = $1"
        assert await rows(attacked, bound, attacker.task) == [(url,)]
        await eventually(
            lambda: attacker.broker("GET", query), until=lambda answer: answer.status_code == 401
        )


def _call(model: str, tokens: int = 30_000) -> dict[str, Any]:
    return {
        "model": model,
        "max_tokens": tokens,
        "messages": [{"role": "user", "content": "Say hello."}],
    }


@pytest.mark.parametrize("forgery", ["budget.raised", "task.submitted"])
async def test_a_budget_is_what_people_allowed_and_the_payer_who_submitted(
    attacked, phone, victim, place, forgery
):
    url = await own_repository(attacked, place)
    [(stranger,)] = await rows(
        attacked,
        "SELECT person FROM accounts.person p JOIN accounts.account a USING (account) "
        "WHERE a.name = 'victim' LIMIT 1",
    )
    async with taken_over(attacked, phone, url, budget={"cost_microusd": 2_000}) as attacker:
        model = (await phone.task(attacker.task))["model"]
        path, body = "model/v1/messages", _call(model)
        version = {"anthropic-version": "2023-06-01"}
        assert (await attacker.broker("POST", path, json=body, headers=version)).status_code == 402
        fields: dict[str, Any] = {"cost_microusd": 10**9}
        if forgery == "task.submitted":
            place_ = {"url": url, "base": "main"}
            fields = {"prompt": "evil", "repository": place_, "model": model}
        await attacker.forge(forgery, by=f"person:{stranger}", **fields)
        for _ in range(5):
            answer = await attacker.broker("POST", path, json=body, headers=version)
            assert answer.status_code in (401, 402)
        await until_tampered(attacker, phone)
    spent = "SELECT count(*) FROM accounts.model_call WHERE person = $1"
    assert await rows(attacked, spent, stranger) == [(0,)]


async def test_only_the_tasks_model_may_be_asked(attacked, phone, place):
    url = await own_repository(attacked, place)
    async with taken_over(attacked, phone, url) as attacker:
        version = {"anthropic-version": "2023-06-01"}
        body = _call("claude-opus-5", tokens=16)
        answer = await attacker.broker("POST", "model/v1/messages", json=body, headers=version)
        assert answer.status_code == 403, answer.text
        await phone.post(f"/v1/tasks/{attacker.task}/cancel", {})


async def waiting_for_approval(phone, url) -> tuple[dict[str, Any], dict[str, Any]]:
    """Submit a task whose honest worker asks a person; return it and what is asked."""
    task = await phone.submit(
        "Clear away what running the tests leaves behind.", url, policy="risky"
    )
    seen = await eventually(
        lambda: phone.task(task["id"]),
        until=lambda shown: shown["waiting"] == "approval",
        seconds=90,
    )
    return task, seen["approval"]


@pytest.mark.parametrize("tag", ["approval.answered", "task.instructed", "budget.raised"])
async def test_an_honest_worker_obeys_no_forged_fact(attacked, phone, tag):
    made = await repository(attacked, "slugify")
    task, asked = await waiting_for_approval(phone, made.url)
    answer = {"request": asked["request"], "digest": asked["digest"], "verdict": "allow"}
    forged = {"approval.answered": answer, "task.instructed": {"text": "evil"}}
    async with beside(attacked, task) as attacker:
        before = await attacker.raw()
        await attacker.forge(tag, **forged.get(tag, {"cost_microusd": 10**9}))
        await until_tampered(attacker, phone)
        after = (await attacker.raw())[len(before) :]
    tags = [message.fact["type"] for message in after]
    assert not {"tool.completed", "model.requested", "branch.pushed"} & set(tags), tags
    state = await phone.get(f"/v1/tasks/{task['id']}/state")
    assert "Allowed" not in str(state)


async def test_another_accounts_machine_lives_on(attacked, phone, victim, place):
    made = await repository(attacked, "slugify")
    theirs, _ = await waiting_for_approval(victim, made.url)
    [machine] = [m for m in await machines(attacked) if _task_of(m) == theirs["id"]]
    assert machine["state"] == "started"
    async with taken_over(attacked, phone, await own_repository(attacked, place)) as attacker:
        started = {"attempt": 1, "machine": machine["id"], "region": "local", "seconds": 1.0}
        await attacker.forge("machine.started", **started)
        version = await attacker.next_version()
        await attacker.say(attacker.fact("task.finished", version - 1, summary="x", outcome="x"))
        await until_tampered(attacker, phone)
    [still] = [m for m in await machines(attacked) if m["id"] == machine["id"]]
    assert still["state"] == "started"
    shown = await victim.task(theirs["id"])
    assert (shown["phase"], shown["waiting"]) == ("waiting", "approval")
    subject = f"events.{theirs['account']}.{theirs['id']}"
    tags = {message.fact["type"] for message in await raw(attacked, subject)}
    assert not {"machine.lost", "machine.destroyed"} & tags
    await victim.post(f"/v1/tasks/{theirs['id']}/cancel", {})


def _task_of(machine: dict[str, Any]) -> str:
    return machine["config"]["metadata"].get("task", "")


async def test_no_bigger_machine_and_no_longer_time_is_had(attacked, phone, place):
    url = await own_repository(attacked, place)
    async with taken_over(attacked, phone, url) as attacker:
        await attacker.forge("machine.requested", **FORGERIES["machine.requested"])
        await until_tampered(attacker, phone)
    own = [m for m in await machines(attacked) if _task_of(m) == attacker.task]
    assert {m["config"]["metadata"]["attempt"] for m in own} <= {"1"}
    assert {m["config"]["guest"]["memory_mb"] for m in own} <= {1024}
    assert not [m for m in await machines(attacked) if m["name"] == "evil-a9"]
    expiry = (
        "SELECT max(expires_at) - now() < interval '4 hours 1 minute' FROM accounts.broker_token"
    )
    assert await rows(attacked, expiry) == [(True,)]


async def test_an_erasure_that_the_operator_did_not_order_hides_nothing(attacked, phone, place):
    url = await own_repository(attacked, place)
    async with taken_over(attacked, phone, url) as attacker:
        await attacker.forge("task.erased", reason="evil")
        assert (await phone.task(attacker.task))["id"] == attacker.task
        cancel = f"/v1/tasks/{attacker.task}/cancel"
        await phone.post(cancel, {})
        await until_tampered(attacker, phone)


async def test_a_worker_learns_of_its_own_history_alone_what_is_genuine(attacked, phone, place):
    url = await own_repository(attacked, place)
    other = await phone.submit("Fix it", url)
    async with taken_over(attacked, phone, url) as attacker:

        def item(message):
            return {
                "sequence": message.sequence,
                "version": message.fact["version"],
                "mac": _mac_of(message),
                "digest": base64.b64encode(sha256(message.body).digest()).decode(),
            }

        [mine, *_] = await attacker.raw()
        [foreign, *_] = await raw(attacked, f"events.{other['account']}.{other['id']}")
        moved = {**item(mine), "version": 2}
        events = [item(mine), item(foreign), moved, {**item(mine), "mac": "x"}]
        answer = await attacker.broker("POST", "events/verify", json={"events": events})
        assert answer.json() == {"genuine": [True, False, False, False]}
        attacker.token = "nobody"
        assert (
            await attacker.broker("POST", "events/verify", json={"events": []})
        ).status_code == 401
    for task in (other["id"], attacker.task):
        await phone.post(f"/v1/tasks/{task}/cancel", {})
