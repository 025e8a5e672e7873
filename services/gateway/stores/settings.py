"""Settings of the stores: Postgres, Redis, the object store."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, repr=False)
class StoreSettings:
    """Addresses of the stores, with their credentials."""

    postgres_url: str
    redis_url: str
    s3_endpoint_url: str
    s3_region: str = "auto"
    s3_bucket: str
    s3_access_key_id: str
    s3_secret_access_key: str
