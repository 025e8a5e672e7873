"""Links for people without an account, over real HTTP, log and database."""

from datetime import timedelta
from functools import reduce

import msgspec
import pytest

from events import (
    AttemptStarted,
    InstructionEdited,
    InstructionWithdrawn,
    QuestionAsked,
    TaskErased,
    TaskFinished,
    TaskInstructed,
    ToolCompleted,
    ToolStarted,
)
from events.codec import decode
from events.protocol.task_state import evolve
from infra.runtime.clock import utc_now
from services.gateway.queries.shares import MAX_SHARES
from tests.gateway.kit.members import joined
from tests.gateway.kit.problems import is_problem
from tests.kit.run.gateway import a_world


@pytest.fixture
async def task(ada, world):
    task = await ada.submit("Fix the parser of ada@example.com")
    await world.append(
        ada.history(task),
        AttemptStarted(attempt=1, machine="machine-canary"),
        ToolStarted(call="c1", tool="bash", title="make test", command="make test"),
        ToolCompleted(call="c1", output="output-canary"),
        QuestionAsked(request="req_1", call="c2", text="Which one?"),
    )
    return task


async def shared(person, task, **wanted):
    answer = await person.http.post(f"/v1/tasks/{task}/shares", json=wanted)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    return made["share"], "/v1" + made["url"].removeprefix(person.world.url)


async def events_at(stranger, path, **query):
    answer = await stranger.get(f"{path}/events", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_stranger_sees_the_redacted_task_and_its_events_fold_to_it(world, ada, task):
    share, path = await shared(ada, task)
    assert share["parts"] == {"commands": True, "outputs": False, "diffs": False, "costs": False}
    stranger = await world.client()
    answer = await stranger.get(path)
    assert answer.status_code == 200, answer.text
    seen = answer.json()
    assert seen["state"]["title"] == "Fix the parser of [redacted:email]"
    assert (seen["state"]["account"], seen["state"]["version"]) == ("", 5)
    assert seen["state"]["question"]["text"] == "Which one?"
    page = await events_at(stranger, path)
    assert (page["head"], page["next"]) == (5, None)
    history = ada.history(task)
    read = [decode(history, 0, msgspec.json.encode(body)) for body in page["data"]]
    folded = msgspec.structs.replace(reduce(evolve, read, None), account="")
    assert msgspec.to_builtins(folded) == msgspec.to_builtins(
        msgspec.convert(seen["state"], type(folded), strict=False)
    )
    text = answer.text + str(page)
    for private in (ada.session["account"], ada.session["person"], "canary", "ada@example.com"):
        assert private not in text
    assert "make test" in text


async def test_a_link_is_kept_out_of_caches_and_search_engines(world, ada, task):
    _, path = await shared(ada, task)
    stranger = await world.client()
    for address in (path, f"{path}/events"):
        headers = (await stranger.get(address)).headers
        assert headers["cache-control"] == "no-store"
        assert "noindex" in headers["x-robots-tag"]
        assert headers["referrer-policy"] == "no-referrer"


async def test_a_link_shows_the_task_as_it_stood_and_a_live_one_goes_on(world, ada, task):
    _, still = await shared(ada, task)
    _, early = await shared(ada, task, up_to_version=3)
    _, live = await shared(ada, task, is_live=True)
    stranger = await world.client()
    await stranger.get(still)
    await stranger.get(live)
    await world.append(ada.history(task), TaskFinished(summary="Done.", outcome="no_changes"))
    for path, phase, version in (
        (still, "waiting", 5),
        (early, "working", 3),
        (live, "finished", 6),
    ):
        seen = (await stranger.get(path)).json()
        assert (seen["state"]["phase"], seen["state"]["version"]) == (phase, version)
        assert seen["is_live"] == (path == live)
        page = await events_at(stranger, path)
        assert [body["version"] for body in page["data"]] == list(range(1, version + 1))
        assert page["head"] == version


async def test_events_come_by_pages(world, ada, task):
    _, path = await shared(ada, task, up_to_version=4)
    stranger = await world.client()
    seen, after = [], 0
    while after is not None:
        page = await events_at(stranger, path, after=after, limit=3)
        seen += [body["version"] for body in page["data"]]
        after = page["next"]
    assert seen == [1, 2, 3, 4]
    assert await events_at(stranger, path, after=9) == {"data": [], "next": None, "head": 4}


async def test_who_shared_and_how_often_it_was_opened_is_recorded(world, ada, bob, task):
    share, path = await shared(ada, task)
    stranger = await world.client()
    for _ in range(3):
        await stranger.get(path)
    await events_at(stranger, path)
    for address in (f"/v1/tasks/{task}/shares", "/v1/shares"):
        answer = await ada.http.get(address)
        [listed] = answer.json()["data"]
        assert (listed["share"], listed["person"]) == (share["share"], ada.session["person"])
        assert listed["views"] == 3
        assert listed["viewed_at"] is not None
        assert path.rpartition("/")[2] not in answer.text
    assert (await bob.http.get("/v1/shares")).json() == {"data": []}
    is_problem(await bob.http.get(f"/v1/tasks/{task}/shares"), 404, "not_found")


async def test_a_revoked_link_shows_nothing_and_stays_in_the_record(world, ada, bob, task):
    share, path = await shared(ada, task)
    address = f"/v1/shares/{share['share']}"
    is_problem(await bob.http.delete(address), 404, "not_found")
    stranger = await world.client()
    assert (await stranger.get(path)).status_code == 200
    assert (await ada.http.delete(address)).status_code == 204
    assert (await ada.http.delete(address)).status_code == 204
    is_problem(await stranger.get(path), 410, "share_ended")
    is_problem(await stranger.get(f"{path}/events"), 410, "share_ended")
    [listed] = (await ada.http.get("/v1/shares")).json()["data"]
    assert listed["revoked_by"] == ada.session["person"]


async def test_a_link_ends_at_its_time(servers, fresh_database):
    async with a_world(servers, fresh_database) as world:
        ada = await world.person("ada")
        task = await ada.submit("x")
        past = (utc_now() - timedelta(seconds=1)).isoformat()
        refusal = await ada.http.post(f"/v1/tasks/{task}/shares", json={"expires_at": past})
        is_problem(refusal, 422, "expiry_refused")
        soon = (utc_now() + timedelta(milliseconds=600)).isoformat()
        _, path = await shared(ada, task, expires_at=soon)
        stranger = await world.client()
        answer = await stranger.get(path)
        while answer.status_code == 200:
            answer = await stranger.get(path)
        is_problem(answer, 410, "share_ended")


async def test_an_erased_task_is_shown_to_nobody(world, ada, task):
    _, opened = await shared(ada, task)
    _, unopened = await shared(ada, task, is_live=True)
    stranger = await world.client()
    assert (await stranger.get(opened)).status_code == 200
    await world.append(ada.history(task), TaskErased(reason="asked for"), by="operator")
    for path in (opened, unopened):
        is_problem(await stranger.get(path), 410, "share_ended")
        is_problem(await stranger.get(f"{path}/events"), 410, "share_ended")


@pytest.mark.parametrize("secret", ["x", "share_" + "A" * 43, "share_" + "A" * 42 + "é", "%00"])
async def test_a_secret_that_is_none_opens_nothing(world, secret):
    stranger = await world.client()
    is_problem(await stranger.get(f"/v1/shared/{secret}"), 404, "not_found")
    is_problem(await stranger.get(f"/v1/shared/{secret}/events"), 404, "not_found")


async def test_only_an_owner_or_who_submitted_the_task_may_share_it(world, ada, task):
    bea = await joined(world, ada)
    refusal = await bea.http.post(f"/v1/tasks/{task}/shares", json={})
    is_problem(refusal, 403, "sharing_refused")
    own, _ = await shared(bea, await bea.submit("y"))
    adas, _ = await shared(ada, task)
    refusal = await bea.http.delete(f"/v1/shares/{adas['share']}")
    is_problem(refusal, 403, "share_of_another")
    assert (await ada.http.delete(f"/v1/shares/{own['share']}")).status_code == 204


async def test_an_api_key_needs_the_scope_admin_to_share(world, ada, task):
    for scopes, status in ((["read", "write"], 403), (["read", "admin"], 201)):
        key = (await ada.http.post("/v1/keys", json={"name": "k", "scopes": scopes})).json()
        program = await world.client(key["token"])
        answer = await program.post(f"/v1/tasks/{task}/shares", json={})
        assert answer.status_code == status, answer.text


async def test_what_cannot_be_shared_is_refused(ada, bob, task):
    path = f"/v1/tasks/{task}/shares"
    is_problem(await bob.http.post(path, json={}), 404, "not_found")
    late, both = {"up_to_version": 99}, {"up_to_version": 2, "is_live": True}
    for body in (late, both):
        is_problem(await ada.http.post(path, json=body), 422, "version_refused")


async def test_an_account_has_so_many_links_and_no_more(ada, task):
    for _ in range(MAX_SHARES):
        share, _ = await shared(ada, task)
    path = f"/v1/tasks/{task}/shares"
    is_problem(await ada.http.post(path, json={}), 409, "too_many_shares")
    await ada.http.delete(f"/v1/shares/{share['share']}")
    await shared(ada, task)


async def test_strangers_are_counted_by_their_address(servers, fresh_database):
    async with a_world(servers, fresh_database, anonymous_a_minute=20) as world:
        ada = await world.person("ada")
        _, path = await shared(ada, await ada.submit("x"))
        stranger = await world.client()
        answers = [(await stranger.get(path)).status_code for _ in range(30)]
        assert set(answers) == {200, 429}


async def test_no_log_line_holds_a_links_secret(world, ada, task, capfd):
    _, path = await shared(ada, task)
    stranger = await world.client()
    await stranger.get(path)
    await events_at(stranger, path)
    out, err = capfd.readouterr()
    assert "/v1/shared/…" in out + err
    assert path.rpartition("/")[2] not in out + err


async def test_a_link_follows_a_task_that_is_instructed_while_it_is_read(world, ada, task):
    _, path = await shared(ada, task, is_live=True)
    stranger = await world.client()
    head = (await events_at(stranger, path))["head"]
    await world.append(ada.history(task), TaskInstructed(text="go on"), by="person:per_x")
    page = await events_at(stranger, path, after=head)
    assert [body["type"] for body in page["data"]] == ["task.instructed"]


@pytest.mark.parametrize(
    "changes",
    [
        lambda version: [InstructionWithdrawn(instruction=version)],
        lambda version: [InstructionEdited(instruction=version, text="Say hello.")],
        lambda version: [
            InstructionEdited(instruction=version, text="hunter3"),
            InstructionEdited(instruction=version, text="Say hello."),
        ],
        lambda version: [
            InstructionEdited(instruction=version, text="hunter3"),
            InstructionWithdrawn(instruction=version),
        ],
    ],
    ids=["withdrawn", "edited", "edited twice", "edited and withdrawn"],
)
async def test_what_an_instruction_said_before_it_was_changed_is_shown_by_no_link(
    world, ada, task, changes
):
    history = ada.history(task)
    await world.append(history, TaskInstructed(text="The password is hunter2", mode="queue"))
    paths = [(await shared(ada, task, **terms))[1] for terms in ({}, {"is_live": True})]
    stranger = await world.client()
    for path in paths:
        assert "hunter2" in (await stranger.get(path)).text, "until it is changed"
    for change in changes(6):
        await world.append(history, change)
    for path in paths:
        page = await events_at(stranger, path)
        assert "hunter" not in (await stranger.get(path)).text + str(page)
        assert page["data"][5]["text"] == "[redacted:changed]"
        read = [decode(history, 0, msgspec.json.encode(body)) for body in page["data"]]
        seen = (await stranger.get(path)).json()["state"]
        folded = msgspec.structs.replace(reduce(evolve, read, None), account="")
        state = msgspec.convert(seen, type(folded), strict=False)
        assert msgspec.to_builtins(folded) == msgspec.to_builtins(state)


@pytest.mark.parametrize(
    "moment",
    [
        "2027-01-01T00:00:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "9999-12-31T23:59:59Z",
        "2027-02-30T00:00:00Z",
        "tomorrow",
        7,
    ],
)
async def test_a_moment_that_is_none_of_the_coming_years_ends_no_link(ada, task, moment):
    answer = await ada.http.post(f"/v1/tasks/{task}/shares", json={"expires_at": moment})
    assert answer.status_code == 422, answer.text
