"""Attachments in the object store: uploaded, then stored with the task whose message names them.

An upload that no message names is deleted after a day. Its id tells its age.
"""

import asyncio
from base64 import b32decode
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, NamedTuple

from events import AccountId, Attachment, History, uuid7
from events.ids import prefixed
from events.protocol.api.requests import AttachmentRequest
from events.protocol.api.tasks import UploadedAttachment
from infra.runtime.clock import Clock
from infra.runtime.telemetry import logger
from infra.stores.image_header import read_header
from infra.stores.object_keys import blob_key
from services.gateway.problems import Refused, not_found, refused
from services.gateway.queries.task_cache import TaskCache
from services.gateway.stores.object_store import Storage
from services.gateway.tasks.messages.attachments import (
    is_attachment_id,
    require_image,
    unknown_attachment,
)

MAX_UPLOADS_PER_ACCOUNT: Final = 100
UPLOAD_AGE: Final = timedelta(days=1)
_UPLOADS: Final = "uploads/"
_SWEEP_SECONDS: Final = 3600.0
_NOT_FOUND: Final = 404

_log = logger(__name__)


class PreparedAttachment(NamedTuple):
    """An uploaded image, and the reference that the task's history will have of it."""

    reference: Attachment
    content: bytes


class Attachments:
    """The attachments of all tasks. Every method raises Refused (503) while the store is away."""

    def __init__(
        self, storage: Storage, recall: TaskCache, *, clock: Clock, entropy: Callable[[int], bytes]
    ) -> None:
        self._storage = storage
        self._recall = recall
        self._clock = clock
        self._entropy = entropy

    async def upload(
        self, account: AccountId, content: bytes, media_type: str
    ) -> UploadedAttachment:
        """Store an image for a message to come.

        Raises Refused: 415 and 422 for what is no image, 409 when too many wait for a message.
        """
        header = require_image(content, media_type)
        await self._require_room(account)
        now = self._clock()
        name = prefixed("att", uuid7(round(now.timestamp() * 1000), self._entropy(10)).bytes)
        await self._storage.put(_upload_key(account, name), content)
        return UploadedAttachment(
            id=name,
            media_type=header.media_type,
            size_bytes=len(content),
            sha256=sha256(content).hexdigest(),
            width=header.width,
            height=header.height,
            expires_at=now + UPLOAD_AGE,
        )

    async def prepare(
        self, history: History, wanted: Sequence[AttachmentRequest]
    ) -> Sequence[PreparedAttachment]:
        """Read the uploads that a message names. Raises Refused (422) when one is not there."""
        return [await self._read(history, each, index) for index, each in enumerate(wanted)]

    async def store(self, prepared: Sequence[PreparedAttachment]) -> None:
        """Store the images with their task; what is there already is written again."""
        for each in prepared:
            await self._storage.put(each.reference.key, each.content)

    async def discard(self, account: AccountId, prepared: Sequence[PreparedAttachment]) -> None:
        """Delete the uploads that a message has; where that fails they expire."""
        keys = [_upload_key(account, each.reference.id) for each in prepared]
        with suppress(Refused):
            await self._storage.delete(keys)

    async def find(self, history: History, name: str) -> Attachment:
        """Return the reference of a task's attachment. Raises Refused (404)."""
        known = (await self._recall.task(history)).task.attachments.get(name)
        if known is None:
            raise not_found("attachment")
        return known

    async def run(self, stopping: asyncio.Event) -> None:
        """Delete expired uploads now and every hour, until told to stop."""
        while not stopping.is_set():
            try:
                await self.sweep(_UPLOADS)
            except Refused as away:
                _log.warning("uploads.sweep_interrupted", reason=str(away))
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), _SWEEP_SECONDS)

    async def sweep(self, prefix: str) -> int:
        """Delete the expired uploads under a prefix; return how many are left."""
        oldest = self._clock() - UPLOAD_AGE
        keys = await self._storage.keys(prefix)
        expired = [key for key in keys if _is_older(key, oldest)]
        if expired:
            await self._storage.delete(expired)
            _log.info("uploads.expired", count=len(expired))
        return len(keys) - len(expired)

    async def _require_room(self, account: AccountId) -> None:
        if await self.sweep(_upload_key(account, "")) >= MAX_UPLOADS_PER_ACCOUNT:
            raise refused(
                409,
                "too_many_uploads",
                f"{MAX_UPLOADS_PER_ACCOUNT} uploaded images of your account wait for a message. "
                "Send some; those that no message names are deleted after a day.",
            )

    async def _read(
        self, history: History, wanted: AttachmentRequest, index: int
    ) -> PreparedAttachment:
        try:
            stored = await self._storage.get(_upload_key(history.account, wanted.id))
        except Refused as refusal:
            if refusal.problem.status == _NOT_FOUND:
                raise unknown_attachment(index) from None
            raise
        content = b"".join([part async for part in stored.content])
        header = read_header(content)
        if header is None:
            raise unknown_attachment(index)
        reference = Attachment(
            id=wanted.id,
            name=wanted.name,
            media_type=header.media_type,
            size_bytes=len(content),
            sha256=sha256(content).hexdigest(),
            key=blob_key(history.task, f"attachments/{wanted.id}"),
        )
        return PreparedAttachment(reference, content)


def _upload_key(account: AccountId, name: str) -> str:
    return f"{_UPLOADS}{account}/{name}"


def _is_older(key: str, oldest: datetime) -> bool:
    """Return whether an upload was made before; what is named otherwise is no upload of ours."""
    name = key.rsplit("/", 1)[-1]
    if not is_attachment_id(name):
        return False
    made = int.from_bytes(b32decode(f"{name[4:].upper()}======")[:6], "big")
    return made < oldest.timestamp() * 1000
