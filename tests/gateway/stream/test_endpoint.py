"""The start and the end of a stream: real sockets on a real server, a real Redis."""

import asyncio
import json
from datetime import timedelta

import pytest
from msgspec.structs import replace
from websockets.asyncio.client import connect

from events import PersonId
from events.limits import MAX_TEXT_CHARACTERS
from infra.runtime.clock import utc_now
from services.gateway.problems import unavailable
from services.gateway.stream.session import StreamTimeouts
from services.gateway.tasks.access import REVOKED
from tests.kit.probe.eventually import eventually
from tests.kit.run.devices import new_history, serving
from tests.kit.servers.stack import RealServers

COMMAND = "0198c5a2-6b1e-7d3f-9a51-3c6f0d2b8e11"
LONG = "€" * MAX_TEXT_CHARACTERS  # 192 KiB: sockets and the ring of a feed fill soon


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "nonsense",
        "[]",
        '{"t":"dance"}',
        '{"t":"sub"}',
        '{"t":"sub","task":"x","version":"1"}',
        '{"t":"sub","task":"x","version":-1}',
        '{"t":"hello","v":1,"token":"token","device":{"id":"d"}}',
        "[" * 5000,
        b"\xff\xfe",
    ],
)
async def test_a_bad_frame_ends_the_connection(servers: RealServers, frame: str | bytes) -> None:
    async with serving(servers.redis_url) as place, place.device() as phone:
        await phone.first("welcome")
        await phone.socket.send(frame)

        code, reason = await phone.end()

    assert code == 4500
    assert reason
    [bye] = phone.all("bye")
    assert (bye["code"], bye["retry_ms"]) == (4500, 0)


async def test_a_frame_too_long_ends_that_connection_alone(servers: RealServers) -> None:
    history = new_history()
    async with serving(servers.redis_url) as place:
        await place.logbook.append(history)
        async with (
            place.device(subs={history.task: 0}) as phone,
            place.device(subs={history.task: 0}, device="d2") as other,
        ):
            await other.first("live")
            await phone.first("live")
            await phone.socket.send(json.dumps({"t": "cmd", "id": "1", "op": "x" * 70_000}))
            code, _ = await phone.end()
            await place.logbook.append(history)
            await other.version(2)
            await eventually(lambda: place.watchers, until=lambda count: count == 1)

    assert code == 1009


async def test_who_does_not_say_hello_is_let_go(servers: RealServers) -> None:
    patience = StreamTimeouts(hello_seconds=0.1)
    async with (
        serving(servers.redis_url, patience=patience) as place,
        place.connection() as phone,
    ):
        code, reason = await phone.end()

    assert (code, reason) == (4503, "Say hello within 0.1 seconds.")


async def test_who_says_something_else_first_is_let_go(servers: RealServers) -> None:
    async with serving(servers.redis_url) as place, place.connection() as phone:
        await phone.say(t="pong")
        assert (await phone.end())[0] == 4503


async def test_another_version_of_the_protocol_is_refused(servers: RealServers) -> None:
    async with serving(servers.redis_url) as place, place.device(v=2) as phone:
        assert await phone.end() == (4501, "This server speaks version 1, not 2.")


async def test_a_token_nobody_has_is_refused(servers: RealServers) -> None:
    async with serving(servers.redis_url) as place, place.device("stolen") as phone:
        code, reason = await phone.end()

    assert code == 4504
    assert "Sign in again" in reason


async def test_a_session_that_is_revoked_loses_its_stream(servers: RealServers) -> None:
    patience = StreamTimeouts(recheck_seconds=0.1)
    async with serving(servers.redis_url, patience=patience) as place, place.device() as phone:
        await phone.first("welcome")
        place.tokens.refusal = unavailable("The database is away.")
        await asyncio.sleep(0.3)  # a database that is away ends no stream
        place.tokens.refusal = None
        await phone.say(t="cmd", id=COMMAND, op="x")
        await phone.first("nak")
        del place.tokens.principals["token"]
        assert (await phone.end())[0] == 4504


async def test_a_database_that_is_away_means_come_again(servers: RealServers) -> None:
    async with serving(servers.redis_url) as place:
        place.tokens.refusal = unavailable("The database does not answer at the moment.")
        async with place.device() as phone:
            assert await phone.end() == (4001, "The database does not answer at the moment.")


async def test_a_newer_connection_of_a_device_replaces_the_older(servers: RealServers) -> None:
    history = new_history()
    async with serving(servers.redis_url) as place:
        await place.logbook.append(history)
        async with place.device(subs={history.task: 0}) as old:
            await old.first("live")
            async with place.device(subs={history.task: 0}) as new:
                assert (await old.end())[0] == 4510
                await new.first("live")
                await place.logbook.append(history)
                await new.version(2)
                assert place.watchers == 1


async def test_a_person_has_ten_devices_at_most(servers: RealServers) -> None:
    async with serving(servers.redis_url) as place:
        place.tokens.add("friend", person="per_2")
        async with asyncio.TaskGroup() as group, asyncio.timeout(30):
            release = asyncio.Event()

            async def stay(number: int, ready: asyncio.Event) -> None:
                async with place.device(device=f"d{number}") as phone:
                    await phone.first("welcome")
                    ready.set()
                    await release.wait()

            for number in range(10):
                ready = asyncio.Event()
                group.create_task(stay(number, ready))
                await ready.wait()
            async with place.device(device="d10") as eleventh:
                assert (await eleventh.end())[0] == 4511
            async with place.device("friend") as friend:
                await friend.first("welcome")
            release.set()


async def test_too_many_commands_end_the_connection(servers: RealServers) -> None:
    async with serving(servers.redis_url) as place, place.device() as phone:
        for _ in range(60):
            await phone.say(t="cmd", id=COMMAND, op="interrupt")
        assert (await phone.end())[0] == 4008
        assert 20 <= len(place.performer.asked) <= 41


async def test_too_many_subscriptions_end_the_connection(servers: RealServers) -> None:
    async with serving(servers.redis_url) as place:
        subs = {new_history().task: 0 for _ in range(129)}
        async with place.device(subs=subs) as phone:
            code, _ = await phone.end()
        await eventually(lambda: not place.hub._feeds)

    assert code == 4511


async def test_a_draining_server_says_goodbye_and_takes_nobody_new(servers: RealServers) -> None:
    async with serving(servers.redis_url) as place, place.device() as phone:
        await phone.first("welcome")
        async with place.connection() as late:
            place.stream.drain()
            code, _ = await phone.end()
            await late.hello("token", device="d2")
            assert (await late.end())[0] == 4001
    [bye] = phone.all("bye")
    assert (code, bye["code"]) == (4001, 4001)
    assert 0 <= bye["retry_ms"] <= 3000


async def test_a_server_that_stops_ends_every_connection(servers: RealServers) -> None:
    async with serving(servers.redis_url) as place, place.device() as phone:
        await phone.first("welcome")
        place.stopping.set()
        assert (await phone.end())[0] == 1012


async def test_who_answers_no_ping_is_let_go(servers: RealServers) -> None:
    patience = StreamTimeouts(ping_interval_seconds=0.1)
    async with serving(servers.redis_url, patience=patience) as place, place.device() as phone:
        assert (await phone.end())[0] == 4012


async def test_who_takes_nothing_is_let_go_and_nobody_else_suffers(servers: RealServers) -> None:
    history = new_history()
    patience = StreamTimeouts(stalled_seconds=0.5, goodbye_seconds=5)
    async with serving(servers.redis_url, patience=patience) as place:
        await place.logbook.append(history)
        async with (
            place.device(subs={history.task: 0}, device="slow") as slow,
            place.device(subs={history.task: 0}, device="quick") as quick,
        ):
            await slow.first("live")
            await quick.first("live")
            slow.socket.transport.pause_reading()
            for _ in range(200):
                await place.logbook.append(history, LONG)
                if place.watchers == 1:
                    break
                await quick.take()
            await eventually(lambda: place.watchers, until=lambda count: count == 1)
            last = len(place.logbook.log.recorded)
            await quick.version(last)
            slow.socket.transport.resume_reading()
            code, _ = await slow.end()

    assert code == 4009
    assert quick.versions == list(range(1, last + 1))


async def test_a_goodbye_nobody_takes_does_not_keep_the_connection(servers: RealServers) -> None:
    history = new_history()
    patience = StreamTimeouts(stalled_seconds=0.2, goodbye_seconds=0.2)
    async with serving(servers.redis_url, patience=patience) as place:
        await place.logbook.append(history)
        async with place.device(subs={history.task: 0}) as slow:
            await slow.first("live")
            slow.socket.transport.pause_reading()
            for _ in range(200):
                await place.logbook.append(history, LONG)
                if not place.stream._entries:
                    break
                await asyncio.sleep(0.03)  # the pace of a busy agent, slower than the ring turns
            await eventually(lambda: not place.stream._entries)
            assert place.watchers == 0
            slow.socket.transport.abort()


async def test_a_socket_that_dies_leaves_no_watcher_behind(servers: RealServers) -> None:
    histories = [new_history() for _ in range(5)]
    async with serving(servers.redis_url) as place:
        for history in histories:
            await place.logbook.append(history)
        async with place.device(subs={history.task: 0 for history in histories}) as phone:
            await phone.until(lambda device: len(device.all("live")) == 5)
            assert place.watchers == 5
            phone.socket.transport.abort()
            await eventually(lambda: place.watchers == 0)
            await eventually(lambda: not place.stream._entries)


async def test_a_crash_in_one_connection_hurts_no_other(
    servers: RealServers, caplog: pytest.LogCaptureFixture
) -> None:
    history = new_history()
    async with serving(servers.redis_url) as place:
        await place.logbook.append(history)
        async with (
            place.device(subs={history.task: 0}) as unlucky,
            place.device(subs={history.task: 0}, device="d2") as other,
        ):
            await unlucky.first("live")
            await other.first("live")
            place.performer.crash = RuntimeError("a bug")
            await unlucky.say(t="cmd", id=COMMAND, op="interrupt")
            await unlucky.end()
            await place.logbook.append(history)
            await other.version(2)
            assert place.watchers == 1
    assert "a bug" in caplog.text


async def test_a_device_without_the_subprotocol_is_served_too(servers: RealServers) -> None:
    async with serving(servers.redis_url) as place, connect(place.url) as socket:
        await socket.send('{"t":"hello","v":1,"token":"token","device":{"id":"d"}}')
        assert '"welcome"' in str(await socket.recv())
        assert socket.subprotocol is None


async def test_a_ticket_lets_in_where_no_token_may_be_kept(servers: RealServers) -> None:
    async with serving(servers.redis_url) as place:
        async with place.device("", ticket="ticket-token") as phone:
            await phone.first("welcome")
        async with place.device("", ticket="ticket-unknown") as phone:
            assert (await phone.end())[0] == 4504


async def test_a_token_that_ends_ends_the_connection_unless_a_newer_comes(
    servers: RealServers,
) -> None:
    async with serving(servers.redis_url) as place:
        ends = utc_now() + timedelta(seconds=1)
        place.tokens.add("short", expires_at=ends)
        place.tokens.add("long", expires_at=ends + timedelta(hours=1))
        async with (
            place.device("short", device="ends") as ending,
            place.device("short", device="goes on") as going_on,
        ):
            assert (await going_on.first("welcome"))["expires"] == ends.isoformat()
            await going_on.say(t="auth", token="long")
            assert (await ending.end())[0] == 4005
            await going_on.until(lambda device: len(device.all("welcome")) == 2)
            await going_on.say(t="cmd", id="x", op="nothing")
            await going_on.first("nak")


async def test_another_persons_token_is_no_newer_one(servers: RealServers) -> None:
    async with serving(servers.redis_url) as place:
        place.tokens.add("theirs", person="per_2")
        async with place.device() as phone:
            await phone.first("welcome")
            await phone.say(t="auth", token="theirs")
            assert (await phone.end())[0] == 4506
        async with place.device() as phone:
            await phone.first("welcome")
            await phone.say(t="auth", token="nobody's")
            assert (await phone.end())[0] == 4504


async def test_a_key_that_may_not_read_has_no_business_here(servers: RealServers) -> None:
    async with serving(servers.redis_url) as place:
        place.tokens.principals["write-only"] = replace(
            place.tokens.principals["token"], scopes=frozenset({"write"})
        )
        async with place.device("write-only") as phone:
            assert (await phone.end())[0] == 4506


async def test_a_session_signed_out_elsewhere_ends_at_once(servers: RealServers) -> None:
    async with serving(servers.redis_url) as place:
        place.tokens.add("other")
        async with place.device() as phone, place.device("other", device="d2") as other:
            await phone.first("welcome")
            await other.first("welcome")
            await place.logbook.redis.publish(REVOKED, "ses_token")
            assert (await phone.end())[0] == 4504
            await other.say(t="cmd", id="x", op="nothing")
            await other.first("nak")


async def test_what_a_device_shows_is_known_while_it_is_connected(servers: RealServers) -> None:
    history = new_history()
    person = PersonId("per_1")
    async with serving(servers.redis_url) as place:
        async with place.device(vis="background") as phone:
            await phone.say(t="vis", state="active", focus=history.task)
            await phone.say(t="seen", cursors={history.task: 4})
            await eventually(lambda: place.presence.is_looking(person, history.task, 4))
            await phone.say(t="vis", state="background")

            async def looks_no_more() -> bool:
                return not await place.presence.is_looking(person, history.task, 4)

            await eventually(looks_no_more)
            await phone.say(t="vis", state="active", focus=history.task)
            await phone.say(t="seen", cursors={history.task: 5})
            await eventually(lambda: place.presence.is_looking(person, history.task, 5))
        await eventually(looks_no_more)
