"""Filling an empty log from an archive: the same bodies at the same sequences.

Every segment is verified against its manifest, every body by its seal. A record whose key is
destroyed was erased: its sequence stays empty. Afterwards the log is another one to its readers
(its stream was created again), so read models are rebuilt; see `errand projector rebuild`.
"""

from collections.abc import Callable
from typing import NamedTuple

from infra.log.jetstream import Connection
from infra.log.jetstream.admin.import_log import LogImport, require_empty
from infra.operator.archive import ArchiveStore
from infra.operator.segment import Damaged, Manifest, chain, newest, opened, unpack
from infra.operator.task_keys import Vault


class Restored(NamedTuple):
    """The numbers of events restored and of events erased before, and the last sequence.

    `unproven` counts the control plane's events that the keys at hand do not prove to be its own.
    """

    events: int
    erased: int
    unproven: int
    up_to: int


async def restore(
    connection: Connection, store: ArchiveStore, vault: Vault, tell: Callable[[Manifest], None]
) -> Restored:
    """Restore the newest log of an archive. `tell` is called after each segment.

    Raises LogNotEmpty, Damaged, DecryptionError, ImportFailed, StorageFailed, Unavailable.
    """
    await require_empty(connection)
    manifests = chain(newest(await store.manifests()))
    if not manifests:
        raise Damaged("There is no archive here. Name the place `errand archive` wrote to.")
    refilling = LogImport(connection)
    events = erased = 0
    for manifest in manifests:
        records = unpack(await store.segment(manifest), manifest)
        keys = await vault.keys({record.key for record in records})
        for record in records:
            if record.key in keys:
                body = opened(record, keys[record.key])
                await refilling.put(record.subject, record.sequence, body, mac=record.mac)
        kept = sum(record.key in keys for record in records)
        events, erased = events + kept, erased + len(records) - kept
        tell(manifest)
    await refilling.finish(manifests[-1].up_to)
    return Restored(events, erased, refilling.unproven, manifests[-1].up_to)
