"""`errand archive`, `errand restore`, `errand erase`: the operator's commands on the whole log."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import click
from rich.console import Console
from rich.text import Text

from events import TaskId
from infra.log.jetstream import Connection, connect
from infra.operator.archive import ArchiveStore, Archiving
from infra.operator.command_line import run
from infra.operator.context import Operator
from infra.operator.erasure import Erased, Erasing
from infra.operator.installation import Installation, find_installation
from infra.operator.live_states import open_states
from infra.operator.restore import restore as restore_log
from infra.operator.segment import Manifest
from infra.operator.task_keys import Vault, open_vault, read_master
from infra.runtime.clock import DraftFactory, utc_now
from infra.stores.object_store import Bucket, open_bucket

_PREFIX: Final = "archive"
_PLACE: Final = "s3://bucket/prefix; by default this installation's own bucket, prefix `archive`."


class _Place(NamedTuple):
    bucket: str
    prefix: str


class _Opened(NamedTuple):
    connection: Connection
    objects: Bucket
    vault: Vault


@click.command()
@click.option("--to", default="", help=f"Where to: {_PLACE}")
@click.pass_obj
def archive(operator: Operator, *, to: str) -> None:
    """Copy what is new in the log to the object store, sealed and verified. For operators."""
    run(_archive(operator.console, find_installation(operator), _place(to)))


@click.command()
@click.option("--from", "source", default="", help=f"Where the archive is: {_PLACE}")
@click.pass_obj
def restore(operator: Operator, *, source: str) -> None:
    """Fill an empty log from an archive. Stop the services first. For operators."""
    run(_restore(operator.console, find_installation(operator), _place(source)))


@click.command()
@click.argument("task")
@click.option("--reason", required=True, help="Why; it stays in the log, so name no person.")
@click.confirmation_option("--yes", prompt="Nothing of it can be brought back. Erase it?")
@click.pass_obj
def erase(operator: Operator, *, task: str, reason: str) -> None:
    """Erase a task everywhere but for one event that says so. For operators."""
    run(_erase(operator.console, find_installation(operator), TaskId(task), reason))


async def _archive(console: Console, installation: Installation, place: _Place) -> None:
    async with _opened(installation, place.bucket) as opened:
        archiving = Archiving(
            opened.connection,
            ArchiveStore(opened.objects, place.prefix),
            opened.vault,
            clock=utc_now,
            entropy=secrets.token_bytes,
        )
        done = await archiving.run(_teller(console, "archived"))
    added = (
        f"{done.events:,} events in {done.segments} segments" if done.segments else "Nothing new"
    )
    console.print(Text(f"{added}. The archive reaches sequence {done.up_to:,}."))


async def _restore(console: Console, installation: Installation, place: _Place) -> None:
    async with _opened(installation, place.bucket) as opened:
        store = ArchiveStore(opened.objects, place.prefix)
        done = await restore_log(
            opened.connection, store, opened.vault, _teller(console, "verified and restored")
        )
    restored = f"Restored {done.events:,} events up to sequence {done.up_to:,}"
    console.print(f"{restored}; {done.erased:,} had been erased.", highlight=False)
    if done.unproven:
        console.print(
            f"{done.unproven:,} events of the control plane are not proven to be its own, and no "
            "reader takes them: set EVENT_KEYS and EVENTS_UNSIGNED_UP_TO as they were for the log "
            "that was archived, here and for every service.",
            soft_wrap=True,
            highlight=False,
        )
    console.print(
        "The log is a new one to its readers: drop schema `read` and empty Redis before the "
        "projector starts. `errand archive` begins another chain.",
        soft_wrap=True,
        highlight=False,
    )


async def _erase(console: Console, installation: Installation, task: TaskId, reason: str) -> None:
    async with _opened(installation) as opened, open_states(installation.redis_url) as live:
        erasing = Erasing(
            opened.connection,
            objects=opened.objects,
            vault=opened.vault,
            live=live,
            postgres_url=installation.postgres_url,
            draft_factory=DraftFactory(utc_now),
        )
        erased = await erasing.erase(task, reason)
    for line in report_lines(erased):
        console.print(Text(line), soft_wrap=True)


def report_lines(erased: Erased) -> list[str]:
    """Return lines that report what was erased, and what an operator still has to know."""
    things = (
        f"{erased.events} events, {erased.objects} objects, {erased.letters} dead letters, "
        f"{erased.keys} archive keys"
    )
    lines = [f"Erased: {things}. `task.erased` stands at version {erased.version}."]
    if not erased.is_projected:
        lines.append("The read models have not followed yet. Does the projector run?")
    if not erased.is_overwritten:
        lines.append(
            "No reader can get at the events, but NATS keeps the bytes of purged messages in its "
            "files until it rewrites the block they stand in (docs/operate/operations.md, Erasure)."
        )
    lines.append("Not ours to erase: the branch on the forge, exports, backups of Postgres.")
    return lines


@asynccontextmanager
async def _opened(installation: Installation, bucket: str = "") -> AsyncIterator[_Opened]:
    master = read_master(installation.archive_key_file)
    async with AsyncExitStack() as resources:
        connection = await resources.enter_async_context(
            connect(
                installation.log.nats_url,
                credentials=installation.log.nats_credentials,
                name="errand",
                keys=installation.log.keys,
            )
        )
        objects = await resources.enter_async_context(open_bucket(installation.storage, bucket))
        vault = await resources.enter_async_context(
            open_vault(installation.postgres_url, master, secrets.token_bytes)
        )
        yield _Opened(connection, objects, vault)


def _place(text: str) -> _Place:
    if not text:
        return _Place("", _PREFIX)
    place = urlsplit(text)
    if place.scheme != "s3" or not place.netloc or not place.path.strip("/"):
        raise click.UsageError(f"{text} is no place for an archive; write s3://bucket/prefix.")
    return _Place(place.netloc, place.path.strip("/"))


def _teller(console: Console, verb: str) -> Callable[[Manifest], None]:
    def tell(manifest: Manifest) -> None:
        console.print(
            f"{verb} {manifest.after + 1:,}-{manifest.up_to:,}: {manifest.count:,} events, "
            f"{manifest.size_bytes:,} bytes, sha256 {manifest.sha256[:12]}",
            highlight=False,
        )

    return tell
