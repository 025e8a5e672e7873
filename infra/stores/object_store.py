"""Object store: the one S3 client, and the objects of one bucket."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import aioboto3
import msgspec
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError

from infra.stores.object_store_errors import (
    NoSuchObject,
    ObjectStoreUnavailable,
    StorageFailed,
    error_code,
    s3_errors,
)

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

_CHUNK_BYTES: Final = 64 * 1024
_KEYS_PER_REQUEST: Final = 1000
_MISSING: Final = frozenset({"NoSuchKey", "404", "NotFound"})


class StoredObject(NamedTuple):
    """An object that is being read. Its content raises as the bucket's methods do."""

    size_bytes: int
    content: AsyncIterator[bytes]


class BucketAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Address of a bucket, and the key to it."""

    endpoint_url: str
    region: str
    bucket: str
    access_key_id: str
    secret_access_key: str

    def __repr__(self) -> str:
        return f"BucketAddress({self.endpoint_url!r}, {self.bucket!r}, …)"


class Bucket:
    """One bucket, as `open_bucket` opens it.

    Every method raises ObjectStoreUnavailable, NoSuchObject, or StorageFailed for all else.
    """

    def __init__(self, client: "S3Client", name: str) -> None:
        self._client = client
        self._name = name

    async def check(self) -> None:
        """Ask for the bucket."""
        with self._failures(""):
            await self._client.head_bucket(Bucket=self._name)

    async def put(self, key: str, content: bytes) -> None:
        """Store an object, in place of one of the same key."""
        with self._failures(key):
            await self._client.put_object(Bucket=self._name, Key=key, Body=content)

    async def get(self, key: str) -> bytes:
        """Read a whole object."""
        stored = await self.open(key)
        return b"".join([part async for part in stored.content])

    async def open(self, key: str) -> StoredObject:
        """Open an object, to be read in pieces."""
        with self._failures(key):
            answer = await self._client.get_object(Bucket=self._name, Key=key)
        return StoredObject(answer["ContentLength"], self._content(key, answer["Body"]))

    async def keys(self, prefix: str) -> Sequence[str]:
        """List the keys that begin with `prefix`."""
        found: list[str] = []
        with self._failures(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._name, Prefix=prefix
            )
            async for page in pages:
                found += [each["Key"] for each in page.get("Contents", [])]
        return sorted(found)

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; it is no error when one is gone."""
        for start in range(0, len(keys), _KEYS_PER_REQUEST):
            part = keys[start : start + _KEYS_PER_REQUEST]
            with self._failures(part[0]):
                answer = await self._client.delete_objects(
                    Bucket=self._name, Delete={"Objects": [{"Key": key} for key in part]}
                )
            for refusal in answer.get("Errors", []):
                raise StorageFailed(f"{refusal.get('Key')} was not deleted: {refusal}")

    async def _content(self, key: str, body: Any) -> AsyncIterator[bytes]:  # noqa: ANN401 - botocore's own stream
        with self._failures(key):
            async for part in body.iter_chunks(_CHUNK_BYTES):
                yield part

    @contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        """Turn boto's errors into StorageFailed; the text says what to check."""
        place = f"{what} in bucket {self._name}" if what else f"bucket {self._name}"
        try:
            with s3_errors():
                yield
        except ObjectStoreUnavailable as error:
            raise ObjectStoreUnavailable(_failure_text(place, error)) from error
        except (BotoCoreError, ClientError) as error:
            code = error_code(error)
            kind = NoSuchObject if code in _MISSING else StorageFailed
            raise kind(_failure_text(place, error), code) from error


def _failure_text(place: str, error: Exception) -> str:
    return (
        f"The object store failed at {place}: {error}. Check "
        "S3_ENDPOINT_URL, S3_REGION, S3_BUCKET, S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY."
    )


def _s3_client(address: BucketAddress) -> "AbstractAsyncContextManager[S3Client]":
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
        endpoint_url=address.endpoint_url,
        region_name=address.region,
        aws_access_key_id=address.access_key_id,
        aws_secret_access_key=address.secret_access_key,
        config=config,
    )


@asynccontextmanager
async def open_bucket(address: BucketAddress, name: str = "") -> AsyncIterator[Bucket]:
    """Open a bucket, that of the address unless another is named."""
    async with _s3_client(address) as client:
        yield Bucket(client, name or address.bucket)
