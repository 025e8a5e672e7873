"""Looking for a string in everything a stack keeps."""

import gzip
from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

import asyncpg
import psutil
import redis.asyncio as redis

from infra.log.jetstream import Connection
from infra.log.jetstream.dead_letters.letters import open_dead_letters
from infra.log.jetstream.read.range import RangeLimit, read_range
from infra.stores.object_store import Bucket

_ALL = RangeLimit(messages=10**7, size_bytes=10**9)


def spellings(secret: str) -> set[str]:
    """Every way a secret may be spelled: as it is, in hex, in a URL, within any base64."""
    raw = secret.encode()
    spelled = {secret, raw.hex(), raw.hex().upper(), quote(secret, safe="")}
    for lead in range(3):
        whole = b64encode(b"\0" * lead + raw).decode()
        inner = whole[4 * (lead > 0) : -4]  # what depends on this secret alone
        spelled |= {inner, inner.replace("+", "-").replace("/", "_")}
    return spelled


def in_processes(processes: Iterable[psutil.Process], canaries: Iterable[str]) -> dict[str, str]:
    """Name the processes that have one in their environment or arguments, and tell these apart."""
    wanted, found = [canary.encode() for canary in canaries], {}
    for process in processes:
        for kind in ("environ", "cmdline"):
            try:
                content = Path(f"/proc/{process.pid}/{kind}").read_bytes()
            except (OSError, psutil.Error):
                continue  # it ended
            if any(canary in content for canary in wanted):
                arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
                found[f"{process.pid} {kind}"] = b" ".join(arguments).decode().strip()
    return found


def in_files(directory: Path, canaries: Iterable[str], *, but: Iterable[str] = ()) -> list[str]:
    """Name the files below a directory that hold one; `but` names places below it to pass over."""
    found = []
    for file in sorted(directory.rglob("*")):
        place = file.relative_to(directory)
        if not file.is_file() or file.is_symlink() or place.parts[0] in but:
            continue
        try:
            content = file.read_bytes()
        except OSError:  # gone, or a socket
            continue
        if any(canary.encode() in content for canary in canaries):
            found.append(str(place))
    return found


async def in_log(operator: Connection, canaries: Iterable[str]) -> list[str]:
    """Name the sequences and dead letters that hold one, by every way the API has to read them."""
    stretch = await read_range(operator, "canaries", after=0, most=_ALL)
    told = {f"event {m.sequence}": m.body + m.subject.encode() for m in stretch.messages}
    told |= {
        f"letter {letter.number}": letter.body + letter.reason.encode()
        for letter in await open_dead_letters(operator)
    }
    return _holding(told, canaries)


async def in_postgres(url: str, canaries: Iterable[str]) -> list[str]:
    """Name the tables that hold one: what a dump of all schemas would say."""
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch(
            "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        told = {}
        for table in tables:
            rows = await connection.fetch(f"SELECT t::text AS row FROM {table['name']} t")
            told[table["name"]] = "\n".join(row["row"] for row in rows).encode()
    finally:
        await connection.close()
    return _holding(told, canaries)


async def in_redis(url: str, canaries: Iterable[str]) -> list[str]:
    """Name the keys that hold one."""
    client = redis.Redis.from_url(url)
    try:
        told = {}
        async for key in client.scan_iter():
            is_hash = await client.type(key) == b"hash"
            value = await (client.hgetall(key) if is_hash else client.dump(key))
            told[key.decode()] = repr(value).encode()
    finally:
        await client.aclose()
    return _holding(told, canaries)


async def in_objects(objects: Bucket, canaries: Iterable[str]) -> list[str]:
    """Name the objects that hold one, gzipped or not."""
    told = {key: await objects.get(key) for key in await objects.keys("")}
    for key, content in told.items():
        if key.endswith(".gz"):
            told[key] = gzip.decompress(content)
    return _holding(told, canaries)


def _holding(told: dict[str, bytes], canaries: Iterable[str]) -> list[str]:
    wanted = [canary.encode() for canary in canaries]
    return [place for place, content in told.items() if any(c in content for c in wanted)]
