"""Destination of a file: a path or an object in S3, written whole or not at all."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import urlsplit

import aioboto3
import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from infra.runtime.settings import read

_SCHEME: Final = "s3"


class NotWritten(Exception):
    """The file could not be put where it was to go. The text says why and what to do."""


class Storage(msgspec.Struct, frozen=True, kw_only=True):
    """An S3 server, by the names the services use. Empty means what AWS would have."""

    s3_endpoint_url: str = ""
    s3_region: str = ""
    s3_access_key_id: str = ""
    s3_secret_access_key: str = ""


@asynccontextmanager
async def destination(to: str, environment: Mapping[str, str]) -> AsyncIterator[Path]:
    """Lend a local file to write; put it at `to` (a path, or `s3://bucket/key`) after the block.

    Nothing is put when the block fails, and what stood there stays. S3 is reached as S3_* in the
    environment says. Raises NotWritten.
    """
    place = urlsplit(to)
    if place.scheme == _SCHEME:
        if not place.netloc or not place.path.strip("/"):
            raise NotWritten(f"{to} names no object; write s3://bucket/key.")
        with TemporaryDirectory(prefix="errand-") as folder:
            file = Path(folder) / "file"
            yield file
            await _upload(file, place.netloc, place.path.lstrip("/"), read(Storage, environment))
        return
    target = Path(to)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        try:
            yield draft
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise NotWritten(f"{target} cannot be written: {error.strerror or error}.") from error


async def _upload(file: Path, bucket: str, key: str, storage: Storage) -> None:
    session = aioboto3.Session(
        aws_access_key_id=storage.s3_access_key_id or None,
        aws_secret_access_key=storage.s3_secret_access_key or None,
        region_name=storage.s3_region or None,
    )
    try:
        async with session.client("s3", endpoint_url=storage.s3_endpoint_url or None) as s3:
            await s3.upload_file(str(file), bucket, key)
    except (BotoCoreError, ClientError, OSError) as error:
        raise NotWritten(
            f"s3://{bucket}/{key} was not stored: {error}. Check S3_ENDPOINT_URL, S3_REGION, "
            "S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY."
        ) from error
