"""The inbox: one line a task, whatever Redis loses."""

import msgspec

from events import TaskFinished, TaskSubmitted
from events.gateway import Repository
from events.protocol.task_state import evolve
from infra.stores.live_channels import inbox_channel
from tests.kit.run.devices import DRAFT_FACTORY, Place, new_history, serving
from tests.kit.servers.stack import RealServers

SUBMITTED = TaskSubmitted(prompt="Fix the parser", repository=Repository("u"), model="m")
DONE = TaskFinished(summary="Done", outcome="branch")
INBOX = {"inbox": 0}


class Desk:
    """Tasks of one account, told as the projector tells them."""

    def __init__(self, place: Place, account: str = "acc_1") -> None:
        self.place = place
        self.account = account
        self.heads = {}

    async def add(self, history, *facts, is_told=True):
        log = self.place.logbook.log
        after = self.heads.get(history, msgspec.UNSET)
        head = await log.head(history) if after is msgspec.UNSET else after
        self.heads[history] = await log.append(
            history, DRAFT_FACTORY.drafts(facts, by="t"), after=head
        )
        if is_told:
            state = None
            for recorded in await log.read(history):
                state = evolve(state, recorded)
            channel = inbox_channel(history.account)
            await self.place.logbook.redis.publish(channel, msgspec.json.encode(state))


def lines(phone):
    return [(line["task"], line["version"], line["phase"]) for line in phone.all("line")]


async def test_all_tasks_come_first_and_then_what_changes(servers: RealServers) -> None:
    one, other = new_history(), new_history()
    async with serving(servers.redis_url) as place:
        desk = Desk(place)
        await desk.add(one, SUBMITTED)
        async with place.device(subs=INBOX) as phone:
            await phone.until(lambda device: len(device.all("line")) == 1)
            await desk.add(other, SUBMITTED)
            await desk.add(one, DONE)
            await phone.until(lambda device: len(device.all("line")) == 3)

    assert lines(phone) == [
        (one.task, 1, "queued"),
        (other.task, 1, "queued"),
        (one.task, 2, "finished"),
    ]
    assert phone.all("line")[0]["title"] == "Fix the parser"
    assert phone.events == []


async def test_a_line_that_redis_lost_comes_with_the_next_comparison(servers: RealServers) -> None:
    one = new_history()
    async with serving(servers.redis_url, check_seconds=0.1) as place:
        desk = Desk(place)
        await desk.add(one, SUBMITTED)
        async with place.device(subs=INBOX) as phone:
            await phone.until(lambda device: len(device.all("line")) == 1)
            await desk.add(one, DONE, is_told=False)
            await phone.until(lambda device: len(device.all("line")) == 2)

    assert lines(phone)[-1] == (one.task, 2, "finished")


async def test_an_older_line_never_follows_a_newer(servers: RealServers) -> None:
    one = new_history()
    async with serving(servers.redis_url) as place:
        desk = Desk(place)
        await desk.add(one, SUBMITTED)
        state = evolve(None, place.logbook.log.recorded[0])
        await desk.add(one, DONE)
        async with place.device(subs=INBOX) as phone:
            await phone.until(lambda device: len(device.all("line")) == 1)
            stale = msgspec.json.encode(state)
            await place.logbook.redis.publish(inbox_channel(one.account), stale)
            await desk.add(new_history(), SUBMITTED)
            await phone.until(lambda device: len(device.all("line")) == 2)

    assert [line["version"] for line in phone.all("line")] == [2, 1]


async def test_nobody_elses_tasks_are_listed(servers: RealServers) -> None:
    theirs, mine = new_history("acc_2"), new_history()
    async with serving(servers.redis_url) as place:
        desk = Desk(place)
        await desk.add(theirs, SUBMITTED)
        async with place.device(subs=INBOX) as phone:
            await phone.first("welcome")
            await desk.add(theirs, DONE)
            await desk.add(mine, SUBMITTED)
            await phone.until(lambda device: bool(device.all("line")))

    assert [line["task"] for line in phone.all("line")] == [mine.task]


async def test_who_leaves_the_inbox_hears_no_more_of_it(servers: RealServers) -> None:
    one = new_history()
    async with serving(servers.redis_url) as place:
        desk = Desk(place)
        async with place.device(subs=INBOX) as phone:
            await desk.add(one, SUBMITTED)
            await phone.until(lambda device: len(device.all("line")) == 1)
            await phone.say(t="unsub", task="inbox")
            await phone.say(t="sub", task=one.task, version=0)
            await phone.first("live")
            await desk.add(one, DONE)
            await phone.say(t="sub", task=one.task, version=0)
            await phone.until(lambda device: len(device.all("live")) == 2)
        assert place.hub._inboxes == {}

    assert len(phone.all("line")) == 1


async def test_a_list_that_is_away_comes_when_it_is_back(servers: RealServers) -> None:
    one = new_history()
    async with serving(servers.redis_url, check_seconds=0.1) as place:
        await Desk(place).add(one, SUBMITTED, is_told=False)
        place.hub._lists.is_away = True
        async with place.device(subs=INBOX) as phone:
            await phone.first("welcome")
            place.hub._lists.is_away = False
            await phone.until(lambda device: len(device.all("line")) == 1)
