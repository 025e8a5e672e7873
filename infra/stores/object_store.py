"""Object store: the one S3 client, and one bucket with listing and deletion for the operator."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Final, Protocol

import aioboto3
import msgspec
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

_AT_ONCE: Final = 1000


class StorageFailed(Exception):
    """The object store did not do what was asked. The text says what and what to check."""


class Storage(msgspec.Struct, frozen=True, kw_only=True):
    """The place where objects are kept, and the key to it."""

    endpoint_url: str
    region: str
    bucket: str
    access_key_id: str
    secret_access_key: str

    def __repr__(self) -> str:
        return f"Storage({self.endpoint_url!r}, {self.bucket!r}, …)"


class Objects:
    """One bucket. Every method raises StorageFailed. Made by `open_objects`."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    async def put(self, key: str, content: bytes) -> None:
        """Keep an object, in place of one of the same key."""
        try:
            await self._client.put_object(Bucket=self._bucket, Key=key, Body=content)
        except (BotoCoreError, ClientError) as error:
            raise self._failure(key, error) from error

    async def get(self, key: str) -> bytes:
        """Read an object."""
        try:
            answer = await self._client.get_object(Bucket=self._bucket, Key=key)
            return await answer["Body"].read()
        except (BotoCoreError, ClientError) as error:
            raise self._failure(key, error) from error

    async def keys(self, prefix: str) -> Sequence[str]:
        """List the keys that begin with `prefix`."""
        found: list[str] = []
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=prefix
            )
            async for page in pages:
                found += [each["Key"] for each in page.get("Contents", [])]
        except (BotoCoreError, ClientError) as error:
            raise self._failure(prefix, error) from error
        return sorted(found)

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; it is no error when one is gone."""
        try:
            for start in range(0, len(keys), _AT_ONCE):
                part = keys[start : start + _AT_ONCE]
                answer = await self._client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": [{"Key": key} for key in part]}
                )
                for refusal in answer.get("Errors", []):
                    raise StorageFailed(f"{refusal.get('Key')} was not deleted: {refusal}")
        except (BotoCoreError, ClientError) as error:
            raise self._failure(keys[0], error) from error

    def _failure(self, what: str, error: Exception) -> StorageFailed:
        return StorageFailed(
            f"The object store failed at {what} in bucket {self._bucket}: {error}. Check "
            "S3_ENDPOINT_URL, S3_REGION, S3_BUCKET, S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY."
        )


class Location(Protocol):
    """The address of an object store, and the key to it."""

    @property
    def endpoint_url(self) -> str:
        """The store's URL."""
        ...

    @property
    def region(self) -> str:
        """The name of its region."""
        ...

    @property
    def access_key_id(self) -> str:
        """The id of the key."""
        ...

    @property
    def secret_access_key(self) -> str:
        """The secret of the key."""
        ...


def s3_client(location: Location) -> "AbstractAsyncContextManager[S3Client]":
    """Return a client, to be entered: path-style, no checksums but those S3 requires."""
    config = AioConfig(
        signature_version="s3v4",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"},
        retries={"max_attempts": 4, "mode": "standard"},
        connect_timeout=5,
        read_timeout=60,
        max_pool_connections=50,
    )
    return aioboto3.Session().client(
        "s3",
        endpoint_url=location.endpoint_url,
        region_name=location.region,
        aws_access_key_id=location.access_key_id,
        aws_secret_access_key=location.secret_access_key,
        config=config,
    )


@asynccontextmanager
async def open_objects(storage: Storage, bucket: str = "") -> AsyncIterator[Objects]:
    """Open a bucket, the storage's own unless another is named."""
    async with s3_client(storage) as client:
        yield Objects(client, bucket or storage.bucket)
