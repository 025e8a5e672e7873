"""The object store: whole objects by key, over S3's HTTP."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from botocore.exceptions import ClientError

from events.protocol.broker import OBJECT_STORE_UNREACHABLE
from infra.runtime.telemetry import logger
from infra.stores.object_store_errors import ObjectStoreUnavailable, s3_errors
from services.gateway.problems import not_found, unreachable

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

_CHUNK_BYTES: Final = 64 * 1024
_MISSING: Final = frozenset({"NoSuchKey", "404", "NotFound"})

_log = logger(__name__)


class Bucket(NamedTuple):
    """The place where objects are kept, and the key to it."""

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
        with _named():
            await self._client.put_object(Bucket=self._bucket, Key=key, Body=content)

    async def get(self, key: str) -> Stored:
        """Open an object for reading. Raises Refused (404) when there is none."""
        with _named():
            answer = await self._client.get_object(Bucket=self._bucket, Key=key)
        return Stored(answer["ContentLength"], _content(answer["Body"]))

    async def check(self) -> None:
        """Ask for the bucket. Raises Refused (503)."""
        with _named():
            await self._client.head_bucket(Bucket=self._bucket)


async def _content(body: Any) -> AsyncIterator[bytes]:  # noqa: ANN401 - botocore's own stream
    """Yield an object's bytes. Raises Refused (503) where the store breaks off."""
    with _named():
        async for part in body.iter_chunks(_CHUNK_BYTES):
            yield part


@contextmanager
def _named() -> Iterator[None]:
    """Turn what the store refuses into Refused: 404 for no object, else 503 with its own code."""
    try:
        with s3_errors():
            yield
    except ObjectStoreUnavailable as error:
        _log.warning("object_store.unavailable", error=str(error))
        raise unreachable(
            OBJECT_STORE_UNREACHABLE, "The object store does not answer at the moment."
        ) from None
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        if code in _MISSING:
            raise not_found("object") from None
        _log.error("object_store.refused", error=str(error))
        detail = f"The object store refuses: {code}. The operator checks S3_BUCKET and its keys."
        raise unreachable(OBJECT_STORE_UNREACHABLE, detail) from None
