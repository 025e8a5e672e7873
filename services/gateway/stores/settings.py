"""Settings of the stores: the log, Postgres, Redis, the object store."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, repr=False)
class LastingStoreSettings:
    """Addresses of the log, Postgres and the object store, with their credentials."""

    nats_url: str
    """NATS servers, separated by commas."""
    nats_credentials: Path
    """Path of the `.creds` file of this service's NATS user."""
    event_keys: str
    """Keys of the log's writers, by spaces: `<writer>:<key id>:<base64url of 32 bytes>`."""
    events_unsigned_up_to: int = 0
    """Last sequence of the log that was stored before writers had keys."""
    postgres_url: str
    """PostgreSQL, with user and password; the projector's must be direct or pooled per session."""
    s3_endpoint_url: str
    """S3 server; a command for which it is optional uses AWS without it."""
    s3_region: str = "auto"
    """Region of the S3 server."""
    s3_bucket: str
    """Bucket of blobs, artifacts and archives."""
    s3_access_key_id: str
    """Id of the S3 key."""
    s3_secret_access_key: str
    """Secret of the S3 key."""


@dataclass(frozen=True, kw_only=True, repr=False)
class StoreSettings(LastingStoreSettings):
    """Addresses of all stores."""

    redis_url: str
    """Redis, with its password."""
