"""The rate limiter: its arithmetic, the same in Redis, and its answers over HTTP."""

import asyncio
from collections import Counter

import pytest
import redis.asyncio as redis
from hypothesis import given
from hypothesis import strategies as some

from services.gateway.accounts.tokens import new_key
from services.gateway.stores.callers import client_network
from services.gateway.stores.rate_limiter import Bucket, RateLimiter, RateLimitResult, take
from tests.gateway.kit.problems import is_problem
from tests.kit.faults.outages import halted
from tests.kit.run.gateway import SetClock, a_world

MOST = {"reads": 3, "commands": 2, "anonymous": 1000}


@given(some.lists(some.floats(0, 30), max_size=60), some.integers(1, 20))
def test_in_a_window_no_more_is_taken_than_a_full_bucket_and_what_came_back(pauses, most):
    bucket, now, times = Bucket(most, 0.0), 0.0, []
    for pause in pauses:
        now += pause
        bucket, is_allowed = take(bucket, now, most)
        assert 0 <= bucket.level <= most
        times += [now] * is_allowed
    for number, begin in enumerate(times):
        within = [time for time in times[number:] if time <= begin + 60]
        assert len(within) <= 2 * most + 1


def test_what_is_told_is_when_there_is_one_again_and_when_all_are():
    empty = RateLimitResult("reads", 60, is_allowed=False, left=0.25)
    assert empty.retry_after_seconds == 1
    assert empty.headers() == {
        "RateLimit": '"reads";r=0;t=60',
        "RateLimit-Policy": '"reads";q=60;w=60',
    }
    assert RateLimitResult("commands", 2, is_allowed=False, left=0.0).retry_after_seconds == 30


@pytest.fixture
async def live(servers):
    async with redis.Redis.from_url(servers.redis_url, socket_timeout=1) as client:
        await client.flushdb()
        yield client


async def counted(limits, caller, times):
    return [(await limits.take("commands", caller)).is_allowed for _ in range(times)]


async def test_gateways_count_together_and_callers_apart(live):
    one, other = RateLimiter(live, MOST), RateLimiter(live, MOST)
    assert await counted(one, "ada", 1) == [True]
    assert await counted(other, "ada", 2) == [True, False]
    assert await counted(other, "bob", 3) == [True, True, False]
    taken = await one.take("reads", "ada")
    assert (taken.is_allowed, int(taken.left)) == (True, 2)
    assert await live.ttl("limit.commands.ada") > 0


async def test_while_redis_is_away_a_gateway_counts_for_itself():
    async with redis.Redis.from_url("redis://127.0.0.1:9", socket_timeout=1) as nobody:
        limits = RateLimiter(nobody, MOST)
        assert await counted(limits, "ada", 4) == [True, True, False, False]
        assert await counted(limits, "bob", 3) == [True, True, False]


async def test_too_many_requests_are_told_when_to_go_on(servers, fresh_database):
    small = {"reads_a_minute": 3, "commands_a_minute": 2}
    async with a_world(servers, fresh_database, **small) as world:
        ada, bob = await world.person("ada"), await world.person("bob")
        answers = [await ada.http.get("/v1/me") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert answers[0].headers["ratelimit"].startswith('"reads";r=2;t=')
        assert answers[0].headers["ratelimit-policy"] == '"reads";q=3;w=60'
        problem = is_problem(answers[3], 429, "too_many_requests")
        assert problem["retryable"]
        assert 1 <= int(answers[3].headers["retry-after"]) <= 20
        assert (await bob.http.get("/v1/me")).status_code == 200
        task = await ada.submit()  # commands have a bucket of their own
        assert (await ada.post(f"/v1/tasks/{task}/cancel")).status_code == 200
        is_problem(await ada.post(f"/v1/tasks/{task}/cancel"), 429, "too_many_requests")


async def test_without_redis_a_limit_stands_and_requests_are_answered(servers, fresh_database):
    async with a_world(servers, fresh_database, reads_a_minute=2) as world:
        ada = await world.person("ada")
        async with halted(servers, "redis"):
            seen = [(await ada.http.get("/v1/me")).status_code for _ in range(3)]
        assert seen == [200, 200, 429]


async def test_who_says_no_name_is_counted_by_address(servers, fresh_database):
    async with a_world(servers, fresh_database, anonymous_a_minute=1000) as world:
        stranger = await world.client("errand_session_wrong")
        seen = [(await stranger.get("/v1/me")).headers["ratelimit"] for _ in range(2)]
        assert all(told.startswith('"anonymous";r=') for told in seen)
        probe = await stranger.get("/health/live")
        assert probe.status_code == 200
        assert "ratelimit" not in probe.headers


async def test_a_body_nested_too_deep_is_refused_before_it_is_read(ada):
    nested = b'{"code":' * 33 + b"1" + b"}" * 33
    headers = {"Content-Type": "application/json"}
    answer = await ada.http.post("/v1/sessions", content=nested, headers=headers)
    assert "32" in is_problem(answer, 400, "too_deep")["detail"]


async def test_what_is_given_back_may_be_taken_again(live):
    limits = RateLimiter(live, MOST)
    assert await counted(limits, "ada", 3) == [True, True, False]
    await limits.give_back("commands", "ada")
    assert await counted(limits, "ada", 2) == [True, False]
    for _ in range(9):
        await limits.give_back("commands", "ada")
    assert await counted(limits, "ada", 3) == [True, True, False]


async def test_of_many_wrong_keys_at_once_only_as_many_are_judged_as_the_limit_says(
    servers, fresh_database
):
    clock, most = SetClock(), 20
    async with a_world(servers, fresh_database, clock, anonymous_a_minute=most) as world:
        ada = await world.person("ada")
        key = (await ada.http.post("/v1/keys", json={"name": "robot"})).json()["token"]
        robot = await world.client(key)
        for _ in range(30):  # a right one takes nothing from the address
            assert (await robot.get("/v1/me")).status_code == 200
            clock.move(6)  # it is looked up each time
        assert (await robot.get("/v1/me")).status_code == 200
        entropy = iter(range(10**6))
        guesses = [
            new_key("test", lambda n: bytes((next(entropy) * 7) % 248 for _ in range(n)))
            for _ in range(60)
        ]
        strangers = [await world.client(guess) for guess in guesses]
        began = asyncio.get_running_loop().time()
        answers = await asyncio.gather(*(stranger.get("/v1/me") for stranger in strangers))
        seconds = asyncio.get_running_loop().time() - began
        seen = Counter(answer.status_code for answer in answers)
        came_back = seconds * most / 60  # while they were judged
        assert most - 2 <= seen[401] <= most + came_back  # pairing and signing in took two
        assert seen[429] == 60 - seen[401]
        assert (await robot.get("/v1/me")).status_code == 200  # it is known still


@pytest.mark.parametrize(
    ("address", "caller"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix", "unix"),
        ("", ""),
    ],
)
def test_a_caller_is_a_network(address, caller):
    assert client_network(address) == caller
