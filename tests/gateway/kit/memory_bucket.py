"""A bucket in memory, behind the gateway's own class of the object store."""

from infra.runtime.clock import Clock
from infra.stores.object_store import StoredObject
from infra.stores.object_store_errors import NoSuchObject
from services.gateway.commands.attachments import Attachments
from services.gateway.queries.task_cache import TaskCache
from services.gateway.stores.object_store import Storage


class MemoryBucket:
    """Objects by their keys."""

    def __init__(self):
        self.objects = {}

    async def put(self, key, content):
        self.objects[key] = content

    async def open(self, key):
        if key not in self.objects:
            raise NoSuchObject(key)

        async def content():
            yield self.objects[key]

        return StoredObject(len(self.objects[key]), content())

    async def keys(self, prefix):
        return sorted(key for key in self.objects if key.startswith(prefix))

    async def delete(self, keys):
        for key in keys:
            self.objects.pop(key, None)


def attachments_in(bucket: MemoryBucket, recall: TaskCache, clock: Clock) -> Attachments:
    """Return the attachments of a gateway over a bucket."""
    made = iter(range(1, 1_000_000))
    storage = Storage(bucket)  # type: ignore[arg-type]
    return Attachments(
        storage, recall, clock=clock, entropy=lambda size: next(made).to_bytes(size, "big")
    )
