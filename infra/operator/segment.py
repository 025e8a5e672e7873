"""A segment of the archive: a stretch of the log, one sealed record per line, gzipped.

Beside it stands its manifest, which says what the segment covers and how it must hash; a segment
without a manifest was never finished. `after` < every sequence <= `up_to`, and the next segment's
`after` is this one's `up_to`, so a sequence that is in no segment was erased, not lost.
"""

import gzip
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from itertools import pairwise
from typing import Final

import msgspec

from events import TaskId, history_of
from infra.log.event_mac import Mac, read_mac
from infra.log.jetstream.connection.client import DeliveredMessage
from infra.stores.encryption import TaskKey, seal_body, unseal_body

_LEVEL: Final = 6


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One message: where it stood, when it was stored (nanoseconds since 1970), its sealed body.

    `key` names the task's key. The seal is bound to subject and sequence. `mac` is the message's
    `Errand-Mac`, empty when it has none or more than one.
    """

    sequence: int
    subject: str
    stored_at: int
    key: str
    sealed: bytes
    mac: str = ""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a segment: of which log, from where to where, and its hash.

    `first` and `last` are the sequences of its first and last record, 0 when it has none.
    """

    log_created: datetime
    after: int
    up_to: int
    first: int
    last: int
    count: int
    size_bytes: int
    sha256: str
    created: datetime


class Damaged(Exception):
    """A segment or the chain of manifests is not what was archived. The text says which."""


_encoder = msgspec.json.Encoder()
_records = msgspec.json.Decoder(Record)


def task_of(subject: str) -> TaskId:
    """Return the task whose event this is."""
    return history_of(subject).task


def sealed(delivered: DeliveredMessage, key: TaskKey, nonce: bytes) -> Record:
    """Seal a message under its task's key."""
    of = f"{delivered.subject}/{delivered.sequence}"
    mac = read_mac(delivered.headers)
    return Record(
        sequence=delivered.sequence,
        subject=delivered.subject,
        stored_at=delivered.stored_at,
        key=key.name,
        sealed=seal_body(key.secret, delivered.body, of=of, nonce=nonce),
        mac=mac.text if isinstance(mac, Mac) else "",
    )


def opened(record: Record, secret: bytes) -> bytes:
    """Open a record's body. Raises DecryptionError."""
    return unseal_body(secret, record.sealed, of=f"{record.subject}/{record.sequence}")


def pack(records: Iterable[Record]) -> bytes:
    """Encode a segment."""
    return gzip.compress(
        b"".join(_encoder.encode(each) + b"\n" for each in records), _LEVEL, mtime=0
    )


def unpack(segment: bytes, manifest: Manifest) -> Sequence[Record]:
    """Read a segment, verified against its manifest. Raises Damaged."""
    name = f"segment {manifest.after}-{manifest.up_to}"
    if sha256(segment).hexdigest() != manifest.sha256:
        raise Damaged(f"{name} does not have the hash that its manifest says.")
    records = [_records.decode(line) for line in gzip.decompress(segment).splitlines()]
    places = [record.sequence for record in records]
    ends = (places[0], places[-1]) if places else (0, 0)
    is_in_order = all(before < after for before, after in pairwise(places))
    if not is_in_order or (len(places), *ends) != (manifest.count, manifest.first, manifest.last):
        raise Damaged(f"{name} does not hold what its manifest says.")
    return records


def chain(manifests: Iterable[Manifest]) -> Sequence[Manifest]:
    """Put manifests in order. Raises Damaged when they do not cover the log from its beginning."""
    ordered = sorted(manifests, key=lambda manifest: manifest.after)
    reached = 0
    for manifest in ordered:
        if manifest.after != reached:
            raise Damaged(f"The archive has no segment from {reached + 1} to {manifest.after}.")
        reached = manifest.up_to
    return ordered


def newest(manifests: Iterable[Manifest]) -> Iterator[Manifest]:
    """Keep the manifests of the log that was created last."""
    known = list(manifests)
    last = max((manifest.log_created for manifest in known), default=None)
    return (manifest for manifest in known if manifest.log_created == last)
