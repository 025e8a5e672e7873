"""Pushes sent, to whom, how often: real log and database, strict push services, a moved clock."""

import asyncio

import pytest

from events import (
    QuestionAnswered,
    RequestId,
    TaskCancelled,
    TaskErased,
    TaskFinished,
    TaskInstructed,
)
from services.gateway.push.notification.outcome import MAX_ATTEMPTS
from tests.gateway.push.conftest import ASKED
from tests.kit.fakes.push_services import web_address
from tests.kit.faults.outages import halted
from tests.kit.probe.eventually import eventually

ANSWERED = QuestionAnswered(request=RequestId("req_1"), text="the first")
DONE = TaskFinished(summary="s", outcome="branch")


@pytest.fixture
async def ada(rig):
    return await rig.person("ada", "ada")


@pytest.fixture
async def browser(rig, ada):
    browser, device = await rig.browser(ada)
    return browser, device


async def test_a_question_is_pushed_once_to_every_device_of_its_person_after_three_seconds(
    rig, ada, browser
):
    apple, google = await rig.phone(ada, "apns"), await rig.phone(ada, "fcm")
    bob = await rig.person(ada.account, "bob")
    bobs, _ = await rig.browser(bob)
    async with rig.following():
        task = await rig.task(ada)
        version = await rig.say(task, ASKED)
        await rig.known(task, version)
        rig.clock.move(seconds=2.9)
        assert await rig.send() == 0
        rig.clock.move(seconds=0.2)
        assert await rig.send() == 3
        assert await rig.send() == 0
    [read] = rig.outside.to(browser[0])
    assert read["notification"]["data"]["task"] == task.task
    assert read["notification"]["data"]["version"] == str(version)
    assert read["notification"]["body"] == "Fix it"
    assert {taken.service for taken in rig.outside.services.taken} == {"web", "apns", "fcm"}
    assert rig.outside.to(bobs) == []
    for device in (browser[1], apple, google):
        assert await rig.states(ada, device) == [("needs_input", "accepted")]


async def test_who_instructed_last_is_told_too(rig, ada, browser):
    bob = await rig.person(ada.account, "bob")
    bobs, _ = await rig.browser(bob)
    async with rig.following():
        task = await rig.task(ada)
        await rig.say(task, TaskInstructed(text="x"), by=bob.by)
        await rig.known(task, await rig.say(task, DONE))
        rig.clock.move(seconds=4)
        assert await rig.send() == 2
    assert [r["notification"]["data"]["class"] for r in rig.outside.to(bobs)] == ["done"]


async def test_who_is_looking_is_not_told(rig, ada, browser):
    async with rig.following():
        task, version = await rig.ask(ada)
        rig.seen.add((ada.person, task.task, version))
        await rig.send()
        assert await rig.states(ada, browser[1]) == [("needs_input", "seen")]
        await rig.known(task, await rig.say(task, DONE))
        rig.clock.move(seconds=4)
        await rig.send()
    assert [r["notification"]["data"]["class"] for r in rig.outside.to(browser[0])] == ["done"]


async def test_what_was_answered_within_three_seconds_is_not_sent_nor_withdrawn(rig, ada, browser):
    async with rig.following():
        task = await rig.task(ada)
        await rig.known(task, await rig.say(task, ASKED))
        await rig.known(task, await rig.say(task, ANSWERED, by=ada.by))
        rig.clock.move(seconds=4)
        assert await rig.send() == 2
    assert rig.outside.services.taken == []
    states = await rig.states(ada, browser[1])
    assert states == [("needs_input", "overtaken"), ("withdrawn", "overtaken")]


@pytest.mark.parametrize("event", [ANSWERED, TaskCancelled()])
async def test_what_was_settled_elsewhere_is_withdrawn_from_every_kind_of_device(
    rig, ada, browser, event
):
    await rig.phone(ada, "apns")
    await rig.phone(ada, "fcm")
    async with rig.following():
        task, _ = await rig.ask(ada)
        assert await rig.send() == 3
        await rig.known(task, await rig.say(task, event, by=ada.by))
        assert await rig.send() == 3
        assert await rig.send() == 0
    shown, withdrawn = rig.outside.to(browser[0])
    assert withdrawn["notification"]["tag"] == shown["notification"]["tag"]
    assert withdrawn["notification"]["data"]["class"] == "withdrawn"
    topics = {t.request.headers.get("topic", task.task) for t in rig.outside.services.taken}
    assert topics == {task.task}
    assert len(rig.outside.services.taken) == 6


async def test_a_question_answered_before_the_log_was_read_is_not_sent(rig, ada, browser):
    """The gateways were away: both events are read at once."""
    async with rig.following():
        pass
    task = await rig.task(ada)
    await rig.say(task, ASKED)
    version = await rig.say(task, ANSWERED, by=ada.by)
    rig.clock.move(minutes=5)
    async with rig.following():
        await rig.known(task, version)
        await rig.send()
    assert rig.outside.services.taken == []


async def test_what_happened_while_no_gateway_ran_is_sent_by_the_next(rig, ada, browser):
    async with rig.following():
        pass
    task = await rig.task(ada)
    version = await rig.say(task, ASKED)
    rig.clock.move(minutes=5)
    async with rig.following(1):
        await rig.known(task, version)
        assert await rig.send(1) == 1
    assert len(rig.outside.to(browser[0])) == 1


async def test_what_comes_days_too_late_is_not_sent(rig, ada, browser):
    async with rig.following():
        await rig.ask(ada)
        rig.clock.move(days=4)
        await rig.send()
    assert await rig.states(ada, browser[1]) == [("needs_input", "expired")]
    assert rig.outside.services.taken == []


async def test_gateways_that_read_the_same_event_send_it_once(rig, ada, browser):
    devices = [await rig.browser(ada) for _ in range(15)]
    async with rig.following(0, 1):
        await rig.ask(ada)
        async with asyncio.TaskGroup() as group:
            for gateway in (0, 1) * 4:
                group.create_task(rig.send(gateway))
    assert [len(rig.outside.to(b)) for b, _ in (*devices, browser)] == [1] * 16


async def test_a_busy_push_service_is_asked_again_when_it_says(rig, ada, browser):
    rig.outside.order("web", status=429, retry_after="60")
    async with rig.following():
        await rig.ask(ada)
        await rig.send()
        rig.clock.move(seconds=59)
        assert await rig.send() == 0
        rig.clock.move(seconds=2)
        assert await rig.send() == 1
    page = await rig.push.delivery_log.page(ada, browser[1].id, after="", limit=1)
    [sent] = page.data
    assert sent.state == "accepted"
    assert [a.status for a in sent.attempts] == [429, 201]
    assert all(attempt.seconds is not None for attempt in sent.attempts)


async def test_a_lost_answer_costs_one_duplicate_of_the_same_ids(rig, ada, browser):
    rig.outside.order("web", is_lost=True)
    async with rig.following():
        await rig.ask(ada)
        await rig.send()
        rig.clock.move(seconds=10)
        await rig.send()
    first, second = rig.outside.to(browser[0])
    assert first == second
    [sent] = (await rig.push.delivery_log.page(ada, browser[1].id, after="", limit=9)).data
    assert [a.status for a in sent.attempts] == [0, 201]


async def test_it_is_given_up_in_the_end(rig, ada, browser):
    rig.outside.order("web", status=503, times=100)
    async with rig.following():
        await rig.ask(ada)
        for _ in range(MAX_ATTEMPTS + 3):
            await rig.send()
            rig.clock.move(seconds=3700)
    assert await rig.states(ada, browser[1]) == [("needs_input", "given_up")]
    assert rig.outside.services.asked["web"] == MAX_ATTEMPTS


async def test_a_gateway_killed_while_sending_leaves_a_push_to_the_others(rig, ada, browser):
    async with rig.following():
        await rig.ask(ada)
        [due] = await rig.push.pushes.claim(100)
        assert await rig.push.pushes.begin(due)
        assert await rig.send(1) == 0  # and here it is killed
        rig.clock.move(seconds=31)
        assert await rig.send(1) == 1
    assert len(rig.outside.to(browser[0])) == 1
    [sent] = (await rig.push.delivery_log.page(ada, browser[1].id, after="", limit=9)).data
    assert [a.status for a in sent.attempts] == [None, 201]


async def test_a_gateway_that_comes_back_too_late_sends_nothing(rig, ada, browser):
    async with rig.following():
        await rig.ask(ada)
        [due] = await rig.push.pushes.claim(100)
        rig.clock.move(seconds=31)
        assert await rig.send(1) == 1
        await rig.push.sender.deliver(due)
    assert len(rig.outside.to(browser[0])) == 1
    assert await rig.states(ada, browser[1]) == [("needs_input", "accepted")]


async def test_a_withdrawal_waits_for_the_push_that_is_on_its_way(rig, ada, browser):
    async with rig.following():
        task, _ = await rig.ask(ada)
        held = asyncio.Event()
        rig.outside.order("web", wait=held)
        async with asyncio.TaskGroup() as group:
            group.create_task(rig.send())
            while not rig.outside.services.asked["web"]:
                await asyncio.sleep(0.01)
            await rig.known(task, await rig.say(task, ANSWERED, by=ada.by))
            assert await rig.send(1) == 0
            held.set()
        assert await rig.send(1) == 1
    classes = [r["notification"]["data"]["class"] for r in rig.outside.to(browser[0])]
    assert classes == ["needs_input", "withdrawn"]


async def test_a_push_tried_again_after_its_question_is_settled_is_not_sent(rig, ada, browser):
    rig.outside.order("web", status=503)
    async with rig.following():
        task, _ = await rig.ask(ada)
        await rig.send()
        await rig.known(task, await rig.say(task, DONE))
        rig.clock.move(seconds=10)
        await rig.send()
    assert await rig.states(ada, browser[1]) == [("needs_input", "overtaken"), ("done", "accepted")]


@pytest.mark.parametrize("kind", ["web", "apns", "fcm"])
async def test_a_dead_address_is_forgotten_and_its_device_says_why(rig, ada, kind):
    services = rig.outside.services
    if kind == "web":
        browser, device = await rig.browser(ada)
        services.browsers.unsubscribe(browser.endpoint.removeprefix(rig.outside.origin))
    else:
        device = await rig.phone(ada, kind)
        for token in (*services.apple._devices, *services.google._devices):
            (services.apple if kind == "apns" else services.google).remove(token)
    async with rig.following():
        task, _ = await rig.ask(ada)
        await rig.send()
        assert await rig.states(ada, device) == [("needs_input", "dead")]
        [known] = await rig.push.devices.list(ada)
        assert known.dead_at == rig.clock()
        assert known.dead_reason.startswith(("410", "404"))
        assert await rig.database.fetchval("SELECT address FROM accounts.device") is None
        await rig.browser(ada)
        await rig.known(task, await rig.say(task, DONE))
    assert await rig.states(ada, device) == [("needs_input", "dead")]


async def test_a_device_that_was_signed_out_gets_nothing(rig, ada, browser):
    async with rig.following():
        task, _ = await rig.ask(ada)
        await rig.database.execute("UPDATE accounts.session SET revoked_at = now()")
        await rig.send()
        assert await rig.states(ada, browser[1]) == [("needs_input", "signed_out")]
        bob = await rig.person(ada.account, "bob")
        await rig.browser(bob)
        await rig.say(task, TaskInstructed(text="x"), by=bob.by)
        await rig.known(task, await rig.say(task, DONE))
    assert len(await rig.states(ada, browser[1])) == 1
    assert rig.outside.services.taken == []


async def test_a_device_another_person_signs_in_on_is_theirs(rig, ada, browser):
    bob = await rig.person("bob", "bob")
    made = await rig.push.devices.register(bob, web_address(browser[0]), "b")
    assert made.is_new
    assert await rig.push.devices.list(ada) == []
    async with rig.following():
        await rig.say(await rig.task(ada), ASKED)
        task, _ = await rig.ask(bob)
        assert await rig.send() == 1
    assert [r["notification"]["data"]["task"] for r in rig.outside.to(browser[0])] == [task.task]


async def test_an_erased_task_leaves_no_title_behind(rig, ada, browser):
    async with rig.following():
        task, _ = await rig.ask(ada)
        await rig.send()
        await rig.say(task, TaskErased(reason="asked for"), by="operator")
        await eventually(
            lambda: rig.states(ada, browser[1]), until=lambda states: states == [], seconds=30
        )


async def test_a_database_that_is_away_delays_a_push_and_loses_none(servers, rig, ada, browser):
    async with rig.following():
        task = await rig.task(ada)
        async with halted(servers, "postgres") as resume:
            await rig.say(task, ASKED)
            await resume()
        rig.clock.move(seconds=4)
        await eventually(rig.send, seconds=30)
    assert len(rig.outside.to(browser[0])) == 1


async def test_what_is_old_is_swept(rig, ada, browser):
    async with rig.following():
        await rig.ask(ada)
        await rig.send()
        await rig.push.pushes.sweep()
        assert len(await rig.states(ada, browser[1])) == 1
        rig.clock.move(days=31)
        await rig.push.pushes.sweep()
    assert await rig.states(ada, browser[1]) == []
