"""The four servers are real: each is spoken to in its own protocol."""

from typing import Any

import aioboto3
import asyncpg
import psutil
import pytest
from botocore.exceptions import ClientError
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as Unreachable

from tests.kit.servers.stack import RealServers


async def test_postgres_answers_on_a_unix_socket(servers: RealServers) -> None:
    connection = await asyncpg.connect(servers.postgres_url)
    try:
        assert await connection.fetchval("SHOW listen_addresses") == ""
        assert await connection.fetchval("SHOW fsync") == "on"
    finally:
        await connection.close()


async def test_redis_comes_back_at_its_address_and_empty(servers: RealServers) -> None:
    async with Redis.from_url(servers.redis_url) as redis:
        await redis.set("kept", "no")
        before = servers.pid("redis")
        await servers.kill("redis")
        assert servers.pid("redis") != before
        assert await redis.get("kept") is None


async def test_a_fresh_database_is_empty(fresh_database: str) -> None:
    connection = await asyncpg.connect(fresh_database)
    try:
        assert (
            await connection.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname='read'") == 0
        )
    finally:
        await connection.close()


async def test_postgres_never_runs_as_root_and_its_killed_self_comes_back_whole(
    servers: RealServers, fresh_database: str
) -> None:
    assert psutil.Process(servers.pid("postgres")).uids().real != 0
    connection = await asyncpg.connect(fresh_database)
    await connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    await connection.close()
    await servers.kill("postgres")
    connection = await asyncpg.connect(fresh_database)
    assert await connection.fetchval("SELECT one FROM kept") == 1
    await connection.close()


async def test_a_server_that_is_halted_is_unreachable_until_it_is_resumed(
    servers: RealServers,
) -> None:
    await servers.halt("redis")
    async with Redis.from_url(servers.redis_url) as redis:
        with pytest.raises(Unreachable):
            await redis.ping()
        await servers.resume("redis")
        assert await redis.ping()


async def test_s3_keeps_what_it_is_given_and_refuses_a_stranger(servers: RealServers) -> None:
    def client(secret: str) -> Any:
        return aioboto3.Session().client(
            "s3",
            endpoint_url=servers.s3.endpoint,
            region_name=servers.s3.region,
            aws_access_key_id=servers.s3.key,
            aws_secret_access_key=secret,
        )

    async with client(servers.s3.secret) as s3:
        await s3.put_object(Bucket=servers.s3.bucket, Key="tasks/task_x/a.txt", Body=b"kept")
        await servers.restart("storage")
        answer = await s3.get_object(Bucket=servers.s3.bucket, Key="tasks/task_x/a.txt")
        assert await answer["Body"].read() == b"kept"
    async with client("wrong") as s3:
        with pytest.raises(ClientError):
            await s3.get_object(Bucket=servers.s3.bucket, Key="tasks/task_x/a.txt")


def test_every_append_is_on_disk_before_it_is_acknowledged(servers: RealServers) -> None:
    configuration = (servers.servers.home.directory / "nats.conf").read_text()
    assert "sync_interval: always" in configuration
    assert "js_ack_fc_v2: false" in configuration
    assert 'listen: "127.0.0.1:' in configuration
