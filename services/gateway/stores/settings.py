"""Settings of the stores: Postgres, Redis, the object store."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, repr=False)
class LastingStoreSettings:
    """Addresses of Postgres and the object store, with their credentials."""

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
