"""Shared parts of the operator's commands: running one, and reporting its error in one sentence."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

import asyncpg
import click
from redis.exceptions import RedisError

from infra.log.event_log import Refused, Unavailable
from infra.log.jetstream.admin.import_log import ImportFailed, LogNotEmpty
from infra.log.jetstream.connection.api import ApiError
from infra.operator.archive import NotStored
from infra.operator.erasure import NotErasable
from infra.operator.segment import Damaged
from infra.operator.task_keys import WrongKeyFile
from infra.runtime import telemetry
from infra.stores.encryption import DecryptionError
from infra.stores.object_store_errors import StorageFailed

T = TypeVar("T")

_TOLD = (
    ApiError, Damaged, LogNotEmpty, NotErasable, DecryptionError, ImportFailed, NotStored, Refused,
    StorageFailed, Unavailable, WrongKeyFile,
)  # fmt: skip


def run(work: Coroutine[object, object, T]) -> T:
    """Run a command's work. Raises click.ClickException with what is wrong and what to do."""
    telemetry.configure("errand", level="ERROR")
    try:
        return asyncio.run(work)
    except _TOLD as error:
        raise click.ClickException(str(error)) from None
    except asyncpg.InsufficientPrivilegeError as error:
        raise click.ClickException(
            f"PostgreSQL refuses this: {error}. Let POSTGRES_URL name the role that owns the"
            " database's schemas: the one the services use."
        ) from None
    except (asyncpg.PostgresError, OSError) as error:
        raise click.ClickException(
            f"PostgreSQL is unavailable: {error}. Check POSTGRES_URL and that it runs."
        ) from None
    except RedisError as error:
        raise click.ClickException(
            f"Redis is unavailable: {error}. Check REDIS_URL and that it runs; then run this again."
        ) from None
