"""One bucket of the object store: what is put comes back, and every failure has its kind."""

import pytest

from infra.stores.object_store import BucketAddress, open_bucket
from infra.stores.object_store_errors import NoSuchObject, ObjectStoreUnavailable, StorageFailed


def address(servers, **changes) -> BucketAddress:
    fields = {
        "endpoint_url": servers.s3.endpoint,
        "region": servers.s3.region,
        "bucket": servers.s3.bucket,
        "access_key_id": servers.s3.key,
        "secret_access_key": servers.s3.secret,
    }
    return BucketAddress(**{**fields, **changes})


async def test_what_is_put_comes_back_whole_and_in_pieces(servers):
    content = bytes(range(256)) * 1024
    async with open_bucket(address(servers)) as bucket:
        await bucket.check()
        await bucket.put("test-object-store/a", content)

        assert await bucket.get("test-object-store/a") == content
        stored = await bucket.open("test-object-store/a")
        pieces = [piece async for piece in stored.content]
        assert (stored.size_bytes, b"".join(pieces)) == (len(content), content)
        assert len(pieces) > 1

        assert await bucket.keys("test-object-store/") == ["test-object-store/a"]
        await bucket.delete(["test-object-store/a", "test-object-store/never-there"])
        assert await bucket.keys("test-object-store/") == []


async def test_an_object_that_is_not_there_is_told_apart_from_a_failure(servers):
    async with open_bucket(address(servers)) as bucket:
        with pytest.raises(NoSuchObject, match="test-object-store/none in bucket"):
            await bucket.get("test-object-store/none")


async def test_a_store_that_refuses_says_why(servers):
    async with open_bucket(address(servers, secret_access_key="wrong")) as bucket:
        with pytest.raises(StorageFailed, match="Check S3_ENDPOINT_URL") as caught:
            await bucket.put("test-object-store/a", b"")
    assert not isinstance(caught.value, NoSuchObject | ObjectStoreUnavailable)
    assert caught.value.code


async def test_a_store_that_is_away_is_unavailable(servers):
    away = address(servers, endpoint_url="http://127.0.0.1:9")
    async with open_bucket(away) as bucket:
        with pytest.raises(ObjectStoreUnavailable, match="Check S3_ENDPOINT_URL"):
            await bucket.check()
