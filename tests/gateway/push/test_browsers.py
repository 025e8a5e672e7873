"""Pushes to browsers: the address they open, the badge, and no empty card on Apple devices."""

from importlib.resources import files

import pytest

from events import BudgetExhausted, QuestionAnswered, RequestId, TaskCancelled, TaskFinished
from infra.stores.postgres.migrations import migrate

ANSWERED = QuestionAnswered(request=RequestId("req_1"), text="the first")
DONE = TaskFinished(summary="s", outcome="branch")
SPENT = BudgetExhausted(scope="cost", spent=2, limit=1)


async def prepare_read_model(database):
    await migrate(database, "read", files("services.projector.schema"))


@pytest.fixture
async def ada(rig):
    return await rig.person("ada", "ada")


@pytest.fixture
async def browser(rig, ada):
    browser, device = await rig.browser(ada)
    return browser, device


async def test_a_push_opens_the_very_ask_and_an_end_opens_the_task(rig, ada, browser):
    async with rig.following():
        task, _ = await rig.ask(ada)
        await rig.send()
        await rig.known(task, await rig.say(task, SPENT))
        rig.clock.move(seconds=4)
        await rig.send()
        await rig.known(task, await rig.say(task, DONE))
        rig.clock.move(seconds=4)
        await rig.send()
    shown = [read["notification"] for read in rig.outside.to(browser[0])]
    own = f"https://errand.example/t/{task.task}"
    assert [each["navigate"] for each in shown] == [f"{own}?ask=req_1", f"{own}?ask=budget", own]
    assert [each["data"].get("kind") for each in shown] == ["question", "budget", None]
    assert shown[0]["data"]["request"] == "req_1"


async def test_the_badge_counts_the_tasks_that_wait_for_an_answer(rig, ada, browser):
    await prepare_read_model(rig.database)
    await rig.database.execute(
        "INSERT INTO read.task (task, account, phase, waiting) VALUES"
        " ('t1', $1, 'waiting', 'question'), ('t2', $1, 'waiting', 'approval'),"
        " ('t3', $1, 'waiting', 'provider'), ('t4', $1, 'working', ''),"
        " ('t5', 'acc_other', 'waiting', 'question')",
        ada.account,
    )
    async with rig.following():
        task, _ = await rig.ask(ada)
        await rig.database.execute(
            "INSERT INTO read.task (task, account, phase, waiting) VALUES ($1, $2, 'working', '')",
            *(task.task, ada.account),
        )
        await rig.send()
        await rig.known(task, await rig.say(task, ANSWERED, by=ada.by))
        await rig.send()
    assert [read["app_badge"] for read in rig.outside.to(browser[0])] == [3, 2]


@pytest.mark.usefixtures("apple_is_here")
async def test_an_iphone_gets_a_withdrawal_only_when_the_card_says_something(rig, ada):
    iphone, device = await rig.iphone(ada)
    async with rig.following():
        answered, _ = await rig.ask(ada)
        cancelled, _ = await rig.ask(ada)
        assert await rig.send() == 2
        await rig.known(answered, await rig.say(answered, ANSWERED, by=ada.by))
        await rig.known(cancelled, await rig.say(cancelled, TaskCancelled(), by=ada.by))
        assert await rig.send() == 2
    *_, told = [read["notification"] for read in rig.outside.to(iphone)]
    assert len(rig.outside.to(iphone)) == 3
    assert (told["title"], told["tag"]) == ("Answered on another device", answered.task)
    assert "silent" not in told
    assert sorted(await rig.states(ada, device))[-2:] == [
        ("withdrawn", "accepted"),
        ("withdrawn", "withheld"),
    ]


@pytest.mark.usefixtures("apple_is_here")
async def test_an_iphone_whose_person_has_the_task_open_gets_no_withdrawal(rig, ada):
    iphone, device = await rig.iphone(ada)
    async with rig.following():
        task, _ = await rig.ask(ada)
        await rig.send()
        rig.seen.add((ada.person, task.task, 0))
        await rig.known(task, await rig.say(task, ANSWERED, by=ada.by))
        await rig.send()
    assert len(rig.outside.to(iphone)) == 1
    assert ("withdrawn", "seen") in await rig.states(ada, device)
