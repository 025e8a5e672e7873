"""The archive: verified segments of the log in the object store, going on where it ended.

A segment is put, read back and compared; then its manifest is put, and with that it counts. Run
again after any end, it goes on behind the last manifest. The tasks' keys are in the vault, so what
is archived stays readable exactly as long as the task is not erased.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, NamedTuple

import msgspec

from infra.log.jetstream import Connection, JetStreamLog
from infra.log.jetstream.read.range import LogRange, RangeLimit, read_range
from infra.operator.segment import Manifest, chain, pack, sealed, task_of
from infra.operator.task_keys import Vault
from infra.runtime.clock import Clock
from infra.stores.encryption import NONCE_BYTES
from infra.stores.object_store import Bucket

SEGMENT: Final = RangeLimit(messages=10_000, size_bytes=16 * 1024 * 1024)

_MANIFEST: Final = ".json"
_SEGMENT: Final = ".jsonl.gz"


class NotStored(Exception):
    """An object read back from the object store differs from what was written."""


class Archived(NamedTuple):
    """Result of one run: what it added, and the last archived sequence."""

    segments: int
    events: int
    up_to: int


class ArchiveStore:
    """The segments of an archive, under one prefix of a bucket."""

    def __init__(self, objects: Bucket, prefix: str) -> None:
        self._objects = objects
        self._prefix = prefix.strip("/")

    async def manifests(self) -> Sequence[Manifest]:
        """Read all manifests, of whatever log. Raises StorageFailed."""
        keys = [key for key in await self._objects.keys(f"{self._prefix}/") if _is_manifest(key)]
        return [msgspec.json.decode(await self._objects.get(key), type=Manifest) for key in keys]

    async def put(self, manifest: Manifest, segment: bytes) -> None:
        """Put a segment, see that it is there, and put its manifest. Raises NotStored."""
        key = self._key(manifest, _SEGMENT)
        await self._objects.put(key, segment)
        if sha256(await self._objects.get(key)).hexdigest() != manifest.sha256:
            raise NotStored(f"{key} does not come back as it was put. Is the store sound?")
        content = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
        await self._objects.put(self._key(manifest, _MANIFEST), content)

    async def segment(self, manifest: Manifest) -> bytes:
        """Read a segment."""
        return await self._objects.get(self._key(manifest, _SEGMENT))

    def _key(self, manifest: Manifest, ending: str) -> str:
        log = f"{manifest.log_created:%Y%m%dT%H%M%SZ}"
        return f"{self._prefix}/{log}/{manifest.after + 1:020d}{ending}"


class Archiving:
    """Archives one log into one store."""

    def __init__(
        self,
        connection: Connection,
        store: ArchiveStore,
        vault: Vault,
        *,
        clock: Clock,
        entropy: Callable[[int], bytes],
        most: RangeLimit = SEGMENT,
    ) -> None:
        self._connection = connection
        self._store = store
        self._vault = vault
        self._clock = clock
        self._entropy = entropy
        self._most = most

    async def run(self, tell: Callable[[Manifest], None]) -> Archived:
        """Archive what is new, to the log's end of now. `tell` is called after each segment.

        Raises Damaged when segments are missing, NotStored, StorageFailed, Unavailable.
        """
        info = await JetStreamLog[Any](self._connection).info()
        known = [m for m in await self._store.manifests() if m.log_created == info.created]
        reached = chain(known)[-1].up_to if known else 0
        segments = events = 0
        while reached < info.last_sequence:
            manifest = await self._one(reached, info.created)
            tell(manifest)
            segments, events, reached = segments + 1, events + manifest.count, manifest.up_to
        return Archived(segments, events, reached)

    async def _one(self, after: int, log_created: datetime) -> Manifest:
        """Archive the next segment; an erasure waits, so that nothing erased is sealed again."""
        async with self._vault.alone():
            stretch = await read_range(self._connection, "archive", after=after, most=self._most)
            segment = await self._sealed(stretch)
            places = [message.sequence for message in stretch.messages]
            manifest = Manifest(
                log_created=log_created,
                after=stretch.after,
                up_to=stretch.up_to,
                first=places[0] if places else 0,
                last=places[-1] if places else 0,
                count=len(places),
                size_bytes=len(segment),
                sha256=sha256(segment).hexdigest(),
                created=self._clock(),
            )
            await self._store.put(manifest, segment)
            return manifest

    async def _sealed(self, stretch: LogRange) -> bytes:
        keys = await self._vault.keys_of(task_of(m.subject) for m in stretch.messages)
        return pack(
            sealed(message, keys[task_of(message.subject)], self._entropy(NONCE_BYTES))
            for message in stretch.messages
        )


def _is_manifest(key: str) -> bool:
    return key.endswith(_MANIFEST)
