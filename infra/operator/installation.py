"""The servers of an installation, found for an operator's command.

From the environment, by the names the services use; or, with a stack running in the folder, from
its description (`events.protocol.local_stack`).
"""

import secrets
from base64 import b64encode
from pathlib import Path

import click
import msgspec

from events.protocol.local_stack import LocalStack
from infra.operator.context import LogAddress, Operator, log_address
from infra.runtime.settings import Misconfigured, read
from infra.stores.encryption import KEY_BYTES
from infra.stores.object_store import BucketAddress


class Installation(msgspec.Struct, frozen=True, kw_only=True):
    """The servers, and the file of the key-encryption key."""

    log: LogAddress
    postgres_url: str
    redis_url: str
    storage: BucketAddress
    archive_key_file: Path


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Servers of an installation, from the environment."""

    postgres_url: str
    redis_url: str
    s3_endpoint_url: str
    s3_region: str = "auto"
    s3_bucket: str
    s3_access_key_id: str
    s3_secret_access_key: str
    archive_key_file: Path
    """File of the key that encrypts tasks' archive keys: 32 bytes in base64."""


def find_installation(operator: Operator) -> Installation:
    """Find the servers. Raises click.UsageError naming what must be set."""
    log = log_address(operator, "operator")
    stack = None if operator.environment.get("NATS_URL") else operator.stack_here()
    if stack is not None:
        return _local(log, stack)
    try:
        settings = read(ServerSettings, operator.environment)
    except Misconfigured as error:
        raise click.UsageError(str(error)) from None
    return Installation(
        log=log,
        postgres_url=settings.postgres_url,
        redis_url=settings.redis_url,
        storage=BucketAddress(
            endpoint_url=settings.s3_endpoint_url,
            region=settings.s3_region,
            bucket=settings.s3_bucket,
            access_key_id=settings.s3_access_key_id,
            secret_access_key=settings.s3_secret_access_key,
        ),
        archive_key_file=settings.archive_key_file,
    )


def _local(log: LogAddress, stack: LocalStack) -> Installation:
    """Return the servers of the running stack; its key file is made at its first use."""
    key_file = Path(stack.credentials) / "archive.key"
    _make(key_file)
    return Installation(
        log=log,
        postgres_url=stack.postgres_url,
        redis_url=stack.redis_url,
        storage=BucketAddress(
            endpoint_url=stack.storage.endpoint_url,
            region=stack.storage.region,
            bucket=stack.storage.bucket,
            access_key_id=stack.storage.access_key_id,
            secret_access_key=stack.storage.secret_access_key,
        ),
        archive_key_file=key_file,
    )


def _make(key_file: Path) -> None:
    """Make the key file of a stack that has none; only its owner may read it."""
    if key_file.exists():
        return
    key_file.touch(mode=0o600, exist_ok=False)
    key_file.write_text(b64encode(secrets.token_bytes(KEY_BYTES)).decode())
