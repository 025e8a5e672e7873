"""The client's end of the stream: every event once and in order, over any number of connections."""

import json
from contextlib import aclosing
from http import HTTPStatus
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from clients.cli.errors import CliError
from clients.cli.gateway.client import Gateway, SignedOut, TokenSource
from clients.cli.protocol.reconnect_policy import StreamTimings
from clients.cli.stream.client import Stream
from clients.cli.stream.items import CaughtUp, PositionLost, TaskNotFound
from events import Recorded
from events.protocol.ephemeral import Ephemeral
from events.protocol.frames import Line
from tests.kit.build.api_answers import line, problem, refusal, welcome
from tests.kit.fakes.scripted_gateway import TASK, Visitor, event, scripted_gateway

QUICK = StreamTimings(min_pause_seconds=0.02, max_pause_seconds=0.1)


async def collect(
    url: str, *, last: int, after: int = 0, renew: TokenSource | None = None
) -> list[Any]:
    """Return the items of the stream up to the event `last`."""
    items: list[Any] = []
    async with Gateway(url, "token", renew=renew) as gateway:
        stream = Stream(gateway, device="d1", tasks={TASK: after}, timings=QUICK)
        async with aclosing(stream.items()) as generator:
            async for item in generator:
                items.append(item)
                if isinstance(item, Recorded) and item.version == last:
                    break
        assert stream.version(TASK) == last
    return items


def versions(items: list[Any]) -> list[int]:
    return [item.version for item in items if isinstance(item, Recorded)]


def live(version: int) -> dict[str, Any]:
    return {"t": "live", "task": TASK, "version": version}


async def stay(visitor: Visitor) -> None:
    await visitor.socket.wait_closed()


async def test_events_and_passing_items_come_as_they_are_sent() -> None:
    async def visit(visitor: Visitor) -> None:
        await visitor.tell(welcome(), event(1), live(1), {"t": "invented", "x": 1})
        await visitor.tell(
            {"t": "eph", "task": TASK, "kind": "text", "block": "1.0", "offset": 3, "text": "Hi"},
            event(2),
        )
        await stay(visitor)

    async with scripted_gateway(visit) as gateway:
        items = await collect(gateway.url, last=2)

    assert [type(item) for item in items] == [Recorded, CaughtUp, Ephemeral, Recorded]
    assert items[2] == Ephemeral(TASK, "text", "1.0", 3, "Hi")
    assert json.loads(items[3].body) == event(2)
    hello = gateway.hellos[0]
    assert (hello["v"], hello["token"], hello["device"]["id"]) == (1, "token", "d1")
    assert hello["subs"] == [{"task": TASK, "version": 0}]


async def test_a_ping_is_answered() -> None:
    answers: list[Any] = []

    async def visit(visitor: Visitor) -> None:
        await visitor.tell({"t": "ping"})
        answers.append(await visitor.hear())
        await visitor.tell(event(1))
        await stay(visitor)

    async with scripted_gateway(visit) as gateway:
        await collect(gateway.url, last=1)

    assert answers == [{"t": "pong"}]


async def test_what_is_known_is_dropped() -> None:
    async def visit(visitor: Visitor) -> None:
        await visitor.tell(event(1), event(1), event(2), event(1), event(2), event(3))
        await stay(visitor)

    async with scripted_gateway(visit) as gateway:
        assert versions(await collect(gateway.url, last=3)) == [1, 2, 3]


async def test_after_a_gap_it_subscribes_again_and_applies_nothing_before() -> None:
    heard: list[Any] = []

    async def visit(visitor: Visitor) -> None:
        await visitor.tell(event(1), event(3), event(4), live(4))
        heard.append(await visitor.hear())
        await visitor.tell(event(5))
        await visitor.tell(event(2), event(3), event(4), live(4))
        await visitor.tell(event(5))
        await stay(visitor)

    async with scripted_gateway(visit) as gateway:
        items = await collect(gateway.url, last=5)

    assert versions(items) == [1, 2, 3, 4, 5]
    assert heard == [{"t": "sub", "task": TASK, "version": 1}]
    assert len(gateway.hellos) == 1


async def test_a_lost_connection_is_taken_up_where_it_was() -> None:
    async def first(visitor: Visitor) -> None:
        await visitor.tell(event(1), event(2))
        visitor.socket.transport.abort()

    async def second(visitor: Visitor) -> None:
        await visitor.tell(event(visitor.version + 1))
        await visitor.tell({"t": "bye", "code": 4001, "retry_ms": 0})
        await visitor.socket.close(4001, "going away")

    async def third(visitor: Visitor) -> None:
        await visitor.tell(event(visitor.version + 1))
        await stay(visitor)

    async with scripted_gateway(first, second, third) as gateway:
        assert versions(await collect(gateway.url, last=4)) == [1, 2, 3, 4]

    assert [hello["subs"][0]["version"] for hello in gateway.hellos] == [0, 2, 3]


async def test_a_head_beyond_its_own_position_makes_it_subscribe_again() -> None:
    heard: list[Any] = []

    async def visit(visitor: Visitor) -> None:
        await visitor.tell(event(1), {"t": "head", "versions": {TASK: 2, "other": 9}})
        heard.append(await visitor.hear())
        await visitor.tell({"t": "head", "versions": {TASK: 2}}, event(2))
        await stay(visitor)

    async with scripted_gateway(visit) as gateway:
        assert versions(await collect(gateway.url, last=2)) == [1, 2]

    assert heard == [{"t": "sub", "task": TASK, "version": 1}]


async def test_what_is_too_much_for_the_stream_is_fetched_in_pages() -> None:
    heard: list[Any] = []

    async def visit(visitor: Visitor) -> None:
        await visitor.tell(
            {"t": "behind", "task": TASK, "after": 0, "head": 3, "url": "/v1/x"}, event(9)
        )
        heard.append(await visitor.hear())
        await visitor.tell(event(4), live(4))
        await stay(visitor)

    async with scripted_gateway(visit) as gateway:
        gateway.pages = [
            (200, json.dumps({"data": [event(1), event(2)], "next": 2, "head": 3}).encode()),
            (200, json.dumps({"data": [event(3)], "next": None, "head": 3}).encode()),
        ]
        items = await collect(gateway.url, last=4)

    assert versions(items) == [1, 2, 3, 4]
    assert heard == [{"t": "sub", "task": TASK, "version": 3}]
    path = f"/v1/tasks/{TASK}/events"
    assert gateway.asked == [f"{path}?after=0&limit=500", f"{path}?after=2&limit=500"]


async def test_pages_that_cannot_be_had_just_now_are_asked_for_again() -> None:
    async def visit(visitor: Visitor) -> None:
        await visitor.tell({"t": "behind", "task": TASK, "after": 0, "head": 1, "url": "/v1/x"})
        await stay(visitor)

    async with scripted_gateway(visit) as gateway:
        gateway.pages = [
            refusal(problem("away", 503, retryable=True)),
            (200, b'{"data":[],"next":null,"head":1}'),
            (200, json.dumps({"data": [event(1)], "next": None, "head": 1}).encode()),
        ]
        assert versions(await collect(gateway.url, last=1)) == [1]

    assert len(gateway.hellos) == 3


async def test_an_event_of_a_type_unknown_here_is_passed_over() -> None:
    strange = {**event(2), "type": "task.invented"}

    async def visit(visitor: Visitor) -> None:
        await visitor.tell(event(1), strange, event(3))
        await stay(visitor)

    async with scripted_gateway(visit) as gateway:
        assert versions(await collect(gateway.url, last=3)) == [1, 3]


async def test_a_position_the_gateway_has_lost_starts_from_the_beginning() -> None:
    heard: list[Any] = []

    async def visit(visitor: Visitor) -> None:
        await visitor.tell({"t": "reset", "task": TASK, "head": 1, "reason": "position_lost"})
        heard.append(await visitor.hear())
        await visitor.tell(event(1))
        await stay(visitor)

    async with scripted_gateway(visit) as gateway:
        items = await collect(gateway.url, last=1, after=7)

    assert items[0] == PositionLost(TASK)
    assert versions(items) == [1]
    assert heard == [{"t": "sub", "task": TASK, "version": 0}]


@pytest.mark.parametrize("reason", ["unavailable", "invented"])
async def test_a_log_that_is_away_is_tried_again_after_a_pause(reason: str) -> None:
    async def visit(visitor: Visitor) -> None:
        await visitor.tell({"t": "reset", "task": TASK, "head": 0, "reason": reason})
        assert await visitor.hear() == {"t": "sub", "task": TASK, "version": 0}
        await visitor.tell(event(1))
        await stay(visitor)

    async with scripted_gateway(visit) as gateway:
        await collect(gateway.url, last=1)

    assert len(gateway.hellos) == 1


async def test_a_connection_that_has_gone_silent_is_left() -> None:
    async def silent(visitor: Visitor) -> None:
        await visitor.tell(welcome(heartbeat_ms=20), event(1))
        await stay(visitor)

    async def back(visitor: Visitor) -> None:
        await visitor.tell(welcome(), event(2))
        await stay(visitor)

    async with scripted_gateway(silent, back) as gateway:
        assert versions(await collect(gateway.url, last=2)) == [1, 2]

    assert [hello["subs"][0]["version"] for hello in gateway.hellos] == [0, 1]


async def test_events_of_other_tasks_do_not_count_and_those_of_the_list_are_lines() -> None:
    async def visit(visitor: Visitor) -> None:
        await visitor.tell(line(task="task_x"))
        await visitor.tell({**event(1), "task": "task_other"}, event(1))
        await stay(visitor)

    async with scripted_gateway(visit) as gateway:
        items = await collect(gateway.url, last=1)

    assert [type(item) for item in items] == [Line, Recorded]
    assert items[0] == msgspec.convert(line(task="task_x"), Line)


async def test_a_token_is_renewed_before_it_ends_and_after_it_ended_too_soon() -> None:
    tokens = ["first", "second", "third"]
    heard: list[Any] = []
    now = "2026-11-26T10:00:00+00:00"

    async def renew(*, refused: str = "") -> str:
        if tokens[0] == refused:
            del tokens[0]
        return tokens[0]

    async def soon(visitor: Visitor) -> None:
        await visitor.tell(welcome(now=now, expires="2026-11-26T10:00:30+00:00"))
        heard.append(await visitor.hear())
        await visitor.tell(welcome(now=now, expires="2026-11-26T11:00:00+00:00"))
        await visitor.socket.close(4005, "expired all the same")

    async def then(visitor: Visitor) -> None:
        await visitor.tell(event(1))
        await stay(visitor)

    async with scripted_gateway(soon, then) as gateway:
        await collect(gateway.url, last=1, renew=renew)

    assert heard == [{"t": "auth", "token": "second"}]
    assert [hello["token"] for hello in gateway.hellos] == ["first", "third"]


async def test_a_token_that_ended_and_cannot_be_renewed_is_told() -> None:
    async def visit(visitor: Visitor) -> None:
        await visitor.socket.close(4005, "expired")

    assert "ended this session" in await ends_with(SignedOut, visit)


async def ends_with(kind: type[CliError], visit: Any) -> str:
    async with scripted_gateway(visit) as gateway:
        with pytest.raises(kind) as caught:
            await collect(gateway.url, last=1)
    return f"{caught.value.message} {caught.value.remedy}"


async def test_a_revoked_session_is_told() -> None:
    async def visit(visitor: Visitor) -> None:
        await visitor.socket.close(4504, "revoked")

    assert "ended this session" in await ends_with(SignedOut, visit)


async def test_an_end_that_is_final_is_told_with_its_reason() -> None:
    async def visit(visitor: Visitor) -> None:
        await visitor.socket.close(4501, "This server speaks version 2.")

    assert "speaks version 2. (4501)" in await ends_with(CliError, visit)


async def test_a_task_that_is_not_there_is_told_and_asked_for_no_more() -> None:
    async def visit(visitor: Visitor) -> None:
        await visitor.tell({"t": "reset", "task": "task_gone", "head": 0, "reason": "not_found"})
        visitor.socket.transport.abort()

    async def then(visitor: Visitor) -> None:
        await visitor.tell(event(1))
        await stay(visitor)

    async with scripted_gateway(visit, then) as gateway, Gateway(gateway.url, "token") as asked:
        tasks = {TASK: 0, "task_gone": 4}
        stream = Stream(asked, device="d1", tasks=tasks, timings=QUICK)
        async with aclosing(stream.items()) as items:
            assert await anext(items) == TaskNotFound("task_gone")
            assert isinstance(await anext(items), Recorded)

    subs = [[sub["task"] for sub in hello["subs"]] for hello in gateway.hellos]
    assert subs == [[TASK, "task_gone"], [TASK]]


async def test_a_gateway_that_has_no_stream_is_told() -> None:
    def refuse(connection: ServerConnection, _: Request) -> Response:
        return connection.respond(HTTPStatus.NOT_FOUND, "")

    async with serve(stay, "127.0.0.1", 0, process_request=refuse) as server:  # type: ignore[arg-type]
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(CliError, match="refuses the stream .404"):
            await collect(url, last=1)


async def test_what_is_not_the_protocol_is_told() -> None:
    async def visit(visitor: Visitor) -> None:
        await visitor.socket.send("<html>")
        await stay(visitor)

    assert "does not understand" in await ends_with(CliError, visit)


async def test_the_version_told_is_that_of_what_was_yielded_and_not_of_what_came() -> None:
    async def visit(visitor: Visitor) -> None:
        await visitor.tell(event(1), event(2), event(3))
        await stay(visitor)

    async with scripted_gateway(visit) as gateway, Gateway(gateway.url, "token") as asked:
        stream = Stream(asked, device="d1", tasks={TASK: 0}, timings=QUICK)
        async with aclosing(stream.items()) as items:
            for version in (1, 2, 3):
                assert (await anext(items)).version == version
                assert stream.version(TASK) == version
