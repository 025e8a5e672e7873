"""The object store: whole objects by key, over S3's HTTP."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Final, NamedTuple

import aioboto3
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError

from services.gateway.problems import not_found, unavailable

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

_CHUNK_BYTES: Final = 64 * 1024
_MISSING: Final = frozenset({"NoSuchKey", "404", "NotFound"})


class Bucket(NamedTuple):
    """Where objects are kept, and the key to it."""

    endpoint_url: str
    region: str
    name: str
    access_key_id: str
    secret_access_key: str


class Stored(NamedTuple):
    """An object on its way out."""

    size_bytes: int
    content: AsyncIterator[bytes]


class Storage:
    """One bucket. Every method raises Refused (503) when the store does not answer."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    async def put(self, key: str, content: bytes) -> None:
        """Keep an object, in place of one of the same key."""
        try:
            await self._client.put_object(Bucket=self._bucket, Key=key, Body=content)
        except (BotoCoreError, ClientError):
            raise unavailable("The object store does not answer at the moment.") from None

    async def get(self, key: str) -> Stored:
        """Open an object for reading. Raises Refused (404) when there is none."""
        try:
            answer = await self._client.get_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _MISSING:
                raise not_found("object") from None
            raise unavailable("The object store does not answer at the moment.") from None
        except BotoCoreError:
            raise unavailable("The object store does not answer at the moment.") from None
        return Stored(answer["ContentLength"], answer["Body"].iter_chunks(_CHUNK_BYTES))


def connect(bucket: Bucket) -> "AbstractAsyncContextManager[S3Client]":
    """Make a client, to be entered. Path-style, no checksums but those S3 requires."""
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
        endpoint_url=bucket.endpoint_url,
        region_name=bucket.region,
        aws_access_key_id=bucket.access_key_id,
        aws_secret_access_key=bucket.secret_access_key,
        config=config,
    )
