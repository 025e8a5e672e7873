"""The tasks' keys, kept wrapped in Postgres (schema `vault`), made when wanted and destroyable.

The key-encryption key is a file; without it nothing here opens. Postgres frees a destroyed key's
bytes when it next vacuums, and backups of schema `vault` hold it as long as they are kept: let them
expire.
"""

import binascii
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Final

import asyncpg

from events import TaskId
from infra.stores.encryption import KEY_BYTES, NONCE_BYTES, DecryptionError, TaskKey, seal, unseal
from infra.stores.postgres.migrations import migrate

_LOCK: Final = 0x6172_6368  # "arch": the archive and erasures take turns
_NAME_BYTES: Final = 8

_OF_TASKS: Final = """
    SELECT DISTINCT ON (task) key, task, wrapped FROM vault.task_key
    WHERE task = ANY($1::text[]) ORDER BY task, created_at DESC
"""
_BY_NAME: Final = "SELECT key, task, wrapped FROM vault.task_key WHERE key = ANY($1::text[])"
_ADD: Final = "INSERT INTO vault.task_key (key, task, wrapped) VALUES ($1, $2, $3)"
_DESTROY: Final = "DELETE FROM vault.task_key WHERE task = $1 RETURNING 1"


class WrongKeyFile(Exception):
    """The key-encryption key is missing, malformed, or another one. The text says what to do."""


class Vault:
    """The keys. Made by `open_vault`."""

    def __init__(
        self,
        connection: asyncpg.Connection,
        master: bytes,
        entropy: Callable[[int], bytes],
    ) -> None:
        self._connection = connection
        self._master = master
        self._entropy = entropy

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Hold off every other archive and erasure while inside, waiting for one under way."""
        await self._connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        try:
            yield
        finally:
            await self._connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)

    async def keys_of(self, tasks: Iterable[TaskId]) -> Mapping[TaskId, TaskKey]:
        """Return the key of each task, made where there is none. Raises WrongKeyFile."""
        wanted = set(tasks)
        found = {
            TaskId(row["task"]): self._open(row)
            for row in await self._connection.fetch(_OF_TASKS, list(wanted))
        }
        made = {task: self._new() for task in sorted(wanted - found.keys())}
        await self._connection.executemany(
            _ADD, [(key.name, task, self._wrapped(task, key)) for task, key in made.items()]
        )
        return {**found, **made}

    async def keys(self, names: Iterable[str]) -> Mapping[str, bytes]:
        """Return the keys of these names that are not destroyed. Raises WrongKeyFile."""
        rows = await self._connection.fetch(_BY_NAME, list(names))
        return {row["key"]: self._open(row).secret for row in rows}

    async def destroy(self, task: TaskId) -> int:
        """Destroy a task's keys; return how many there were."""
        return len(await self._connection.fetch(_DESTROY, task))

    def _new(self) -> TaskKey:
        return TaskKey(f"key_{self._entropy(_NAME_BYTES).hex()}", self._entropy(KEY_BYTES))

    def _wrapped(self, task: str, key: TaskKey) -> bytes:
        of = f"{task}/{key.name}"
        return seal(self._master, key.secret, of=of, nonce=self._entropy(NONCE_BYTES))

    def _open(self, row: asyncpg.Record) -> TaskKey:
        name, task = row["key"], row["task"]
        try:
            return TaskKey(name, unseal(self._master, row["wrapped"], of=f"{task}/{name}"))
        except DecryptionError:
            raise WrongKeyFile(
                f"The archive's key file does not open the key of {task}: it is not the file with "
                "which the archive was made. Set ARCHIVE_KEY_FILE to that one."
            ) from None


@asynccontextmanager
async def open_vault(
    postgres_url: str, master: bytes, entropy: Callable[[int], bytes]
) -> AsyncIterator[Vault]:
    """Open the vault, making schema `vault` when it is missing. Raises OSError, PostgresError."""
    connection = await asyncpg.connect(postgres_url)
    try:
        await migrate(connection, "vault", files("infra.operator.schema"))
        yield Vault(connection, master, entropy)
    finally:
        await connection.close()


def read_master(file: Path) -> bytes:
    """Read the key-encryption key: 32 bytes, in base64. Raises WrongKeyFile."""
    try:
        secret = b64decode(file.read_text().strip(), validate=True)
    except (OSError, UnicodeDecodeError, binascii.Error):
        secret = b""
    if len(secret) != KEY_BYTES:
        raise WrongKeyFile(
            f"{file} holds no key of {KEY_BYTES} bytes in base64. Make one with "
            f"`(umask 077; openssl rand -base64 {KEY_BYTES} > {file})`, and keep a copy of it away "
            "from the archive: without it the archive cannot be read."
        )
    return secret
