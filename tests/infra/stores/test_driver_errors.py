"""The errors that mean an unavailable server, driver by driver; the rest is raised as it is."""

import errno
import socket

import asyncpg
import pytest
import redis.exceptions
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError
from botocore.exceptions import ReadTimeoutError as S3ReadTimeoutError

from infra.stores import object_store_errors, redis_errors
from infra.stores.postgres import errors
from infra.stores.postgres.errors import PostgresUnavailable


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.TooManyConnectionsError("sorry, too many clients already"),
        asyncpg.DiskFullError("no space left"),
        asyncpg.OutOfMemoryError("out of memory"),
        asyncpg.CannotConnectNowError("the database system is starting up"),
        asyncpg.AdminShutdownError("terminating connection"),
        asyncpg.CrashShutdownError("terminating connection"),
        asyncpg.QueryCanceledError("canceling statement"),
        asyncpg.ReadOnlySQLTransactionError("cannot execute UPDATE"),
        asyncpg.DeadlockDetectedError("deadlock"),
        asyncpg.ConnectionDoesNotExistError("connection was closed"),
        asyncpg.InternalClientError("cannot switch to state 15"),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InterfaceError("cannot perform operation: another operation is in progress"),
        asyncpg.exceptions.PostgresIOError("could not read block"),
        ConnectionRefusedError(errno.ECONNREFUSED, "refused"),
        TimeoutError(),
        OSError(errno.EHOSTUNREACH, "no route"),
    ],
)
def test_this_says_that_postgres_is_unavailable(error):
    assert errors.is_unavailable(error)


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"),
        OSError(errno.ENOSPC, "no space left on this device"),
        PermissionError(errno.EACCES, "denied"),
        asyncpg.UniqueViolationError("duplicate key"),
        asyncpg.UndefinedTableError("no such table"),
        asyncpg.InterfaceError("the server expects 2 arguments for this query, 1 was passed"),
        ValueError("ours"),
    ],
)
def test_this_says_nothing_of_postgres(error):
    assert not errors.is_unavailable(error)


@pytest.mark.parametrize(
    "url", ["postgresql://nobody@127.0.0.1:1/x", "postgresql:///x?host=/no/such/directory"]
)
async def test_whatever_keeps_from_connecting_is_an_unavailable_postgres(url):
    with pytest.raises(PostgresUnavailable):
        await errors.connect(url)


@pytest.mark.parametrize(
    "error",
    [
        redis.exceptions.ConnectionError("gone"),
        redis.exceptions.TimeoutError("late"),
        redis.exceptions.BusyLoadingError("LOADING"),
        redis.exceptions.ReadOnlyError("READONLY You can't write against a read only replica."),
        redis.exceptions.OutOfMemoryError("OOM command not allowed"),
        redis.exceptions.ResponseError(
            "Command # 1 (EVALSHA 0 …) of pipeline caused error: OOM command not allowed when used "
            "memory > 'maxmemory'."
        ),
        redis.exceptions.ResponseError("MISCONF Redis is configured to save RDB snapshots"),
        redis.exceptions.ResponseError("BUSY Redis is busy running a script."),
        redis.exceptions.AuthenticationError("NOAUTH"),
        socket.gaierror("no such name"),
    ],
)
def test_this_says_that_redis_is_unavailable(error):
    assert redis_errors.is_unavailable(error)


@pytest.mark.parametrize(
    "error",
    [
        redis.exceptions.NoScriptError("NOSCRIPT"),
        redis.exceptions.ResponseError("WRONGTYPE Operation against a key"),
        redis.exceptions.DataError("ours"),
    ],
)
def test_this_says_nothing_of_redis(error):
    assert not redis_errors.is_unavailable(error)


def refusal(code, status):
    return ClientError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject"
    )


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="http://s3"),
        S3ReadTimeoutError(endpoint_url="http://s3"),
        refusal("SlowDown", 503),
        refusal("InternalError", 500),
        refusal("", 502),
        refusal("TooManyRequests", 429),
        refusal("RequestTimeout", 400),
        ConnectionResetError(),
    ],
)
def test_this_says_that_the_object_store_is_unavailable(error):
    assert object_store_errors.is_unavailable(error)


@pytest.mark.parametrize(
    "error",
    [
        refusal("NoSuchKey", 404),
        refusal("AccessDenied", 403),
        ParamValidationError(report="ours"),
    ],
)
def test_this_says_nothing_of_the_object_store(error):
    assert not object_store_errors.is_unavailable(error)
