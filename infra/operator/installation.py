"""Where the servers of the house are, for an operator's command.

From the environment, by the names the services use; or, with a stack running in the folder, from
its `.errand/`: ports.json and keys/.
"""

import secrets
from base64 import b64encode
from pathlib import Path
from typing import Final

import click
import msgspec

from infra.operator.context import LogAddress, Operator, log_address
from infra.runtime.settings import Misconfigured, read
from infra.stores.encryption import KEY_BYTES
from infra.stores.object_store import Storage

_BUCKET: Final = "errand"
_REGION: Final = "us-east-1"


class House(msgspec.Struct, frozen=True, kw_only=True):
    """The servers, and the file of the key-encryption key."""

    log: LogAddress
    postgres_url: str
    redis_url: str
    storage: Storage
    archive_key_file: Path


class _Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Spelled in the environment in capitals."""

    postgres_url: str
    redis_url: str
    s3_endpoint_url: str
    s3_region: str = "auto"
    s3_bucket: str
    s3_access_key_id: str
    s3_secret_access_key: str
    archive_key_file: Path


class _Keys(msgspec.Struct, frozen=True):
    storage_key: str
    storage_secret: str


class _Ports(msgspec.Struct, frozen=True):
    storage: int


def find_house(operator: Operator) -> House:
    """Find the servers. Raises click.UsageError naming what must be set."""
    log = log_address(operator, "operator")
    if not operator.environment.get("NATS_URL"):
        return _local(log)
    try:
        settings = read(_Settings, operator.environment)
    except Misconfigured as error:
        raise click.UsageError(str(error)) from None
    return House(
        log=log,
        postgres_url=settings.postgres_url,
        redis_url=settings.redis_url,
        storage=Storage(
            endpoint_url=settings.s3_endpoint_url,
            region=settings.s3_region,
            bucket=settings.s3_bucket,
            access_key_id=settings.s3_access_key_id,
            secret_access_key=settings.s3_secret_access_key,
        ),
        archive_key_file=settings.archive_key_file,
    )


def _local(log: LogAddress) -> House:
    """Read the running stack's directory; its key file is made at its first use."""
    home = Path(log.nats_credentials).parents[1]
    keys = msgspec.json.decode((home / "keys" / "keys.json").read_bytes(), type=_Keys)
    ports = msgspec.json.decode((home / "ports.json").read_bytes(), type=_Ports)
    sockets = home / "run"
    key_file = home / "keys" / "archive.key"
    _make(key_file)
    return House(
        log=log,
        postgres_url=f"postgresql://errand_service@/errand?host={sockets}",
        redis_url=f"unix://{sockets}/redis.sock",
        storage=Storage(
            endpoint_url=f"http://127.0.0.1:{ports.storage}",
            region=_REGION,
            bucket=_BUCKET,
            access_key_id=keys.storage_key,
            secret_access_key=keys.storage_secret,
        ),
        archive_key_file=key_file,
    )


def _make(key_file: Path) -> None:
    """Make the key file of a stack that has none; only its owner may read it."""
    if key_file.exists():
        return
    key_file.touch(mode=0o600, exist_ok=False)
    key_file.write_text(b64encode(secrets.token_bytes(KEY_BYTES)).decode())
