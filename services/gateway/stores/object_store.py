"""The gateway's objects: what fails in the bucket is refused as callers of the API see it."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager

from events.protocol.broker import OBJECT_STORE_UNREACHABLE
from infra.runtime.telemetry import logger
from infra.stores.object_store import Bucket, StoredObject
from infra.stores.object_store_errors import NoSuchObject, ObjectStoreUnavailable, StorageFailed
from services.gateway.problems import not_found, unreachable

_log = logger(__name__)


class Storage:
    """One bucket. Every method raises Refused (503) when the store does not answer."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def put(self, key: str, content: bytes) -> None:
        """Store an object, in place of one of the same key."""
        with _refusals():
            await self._bucket.put(key, content)

    async def get(self, key: str) -> StoredObject:
        """Open an object for reading. Raises Refused (404) when there is none."""
        with _refusals():
            stored = await self._bucket.open(key)
        return StoredObject(stored.size_bytes, _content(stored))

    async def keys(self, prefix: str) -> Sequence[str]:
        """List the keys that begin with `prefix`."""
        with _refusals():
            return await self._bucket.keys(prefix)

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; it is no error when one is gone."""
        with _refusals():
            await self._bucket.delete(keys)

    async def check(self) -> None:
        """Ask for the bucket. Raises Refused (503)."""
        with _refusals():
            await self._bucket.check()


async def _content(stored: StoredObject) -> AsyncIterator[bytes]:
    """Yield an object's bytes. Raises Refused (503) where the store breaks off."""
    with _refusals():
        async for part in stored.content:
            yield part


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn the bucket's errors into Refused: 404 for no object, else 503 with its own code."""
    try:
        yield
    except ObjectStoreUnavailable as error:
        _log.warning("object_store.unavailable", error=str(error))
        raise unreachable(
            OBJECT_STORE_UNREACHABLE, "The object store does not answer at the moment."
        ) from None
    except NoSuchObject:
        raise not_found("object") from None
    except StorageFailed as error:
        _log.error("object_store.refused", error=str(error))
        detail = (
            f"The object store refuses: {error.code}. The operator checks S3_BUCKET and its keys."
        )
        raise unreachable(OBJECT_STORE_UNREACHABLE, detail) from None
