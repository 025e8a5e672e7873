"""Seen cursors of people: what one device says comes to all others, through whichever gateway.

Nothing waits for Postgres or Redis here: what a device says is gathered, written within a second
or when the database is back, and then sent to the person's devices here and, over Redis, at the
other gateways. What Redis loses comes when the device subscribes again, or when Redis is back.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final, Protocol

import msgspec
import redis.asyncio as redis

from events import AccountId, PersonId
from events.protocol.frames import MAX_SEEN_CURSORS
from infra.runtime.telemetry import logger
from infra.stores.redis_errors import RedisUnavailable, redis_errors
from services.gateway.problems import Refused
from services.gateway.tasks.access import Principal

SEEN: Final = "people:seen"
"""The Redis channel of all gateways: a person, a space, and the cursors that moved."""

_GATHER_SECONDS: Final = 0.5

_log = logger(__name__)
_cursors: msgspec.json.Decoder[dict[str, int]] = msgspec.json.Decoder(dict[str, int])


class SeenStore(Protocol):
    """Durable cursors. Implemented by stores.seen_cursors.SeenCursorStore."""

    async def read(self, account: AccountId, person: PersonId) -> dict[str, int]:
        """Return a person's cursors by task. Raises Refused (503)."""
        ...

    async def advance(
        self, account: AccountId, person: PersonId, cursors: Mapping[str, int]
    ) -> dict[str, int]:
        """Move cursors forward, never back; return those that moved. Raises Refused (503)."""
        ...


class SeenReader(Protocol):
    """Device that shows the inbox."""

    def seen(self, cursors: Mapping[str, int], *, is_first: bool = False) -> None:
        """Receive cursors of the person: all of them first, then each that moved."""
        ...


class _Person:
    """The devices of one person here; those in `waiting` are to be sent all cursors."""

    def __init__(self, account: AccountId) -> None:
        self.account = account
        self.readers: set[SeenReader] = set()
        self.waiting: set[SeenReader] = set()


class SeenExchange:
    """The cursors said here and not yet written, and the devices that want to know."""

    def __init__(self, store: SeenStore, client: redis.Redis) -> None:
        self._store = store
        self._redis = client
        self._people: dict[PersonId, _Person] = {}
        self._unwritten: dict[PersonId, tuple[AccountId, dict[str, int]]] = {}
        self._woken = asyncio.Event()
        self._is_away = False

    def advance(self, principal: Principal, cursors: Mapping[str, int]) -> None:
        """Record what a person has seen. Never waits."""
        _, unwritten = self._unwritten.setdefault(principal.person, (principal.account, {}))
        for task, version in cursors.items():
            unwritten[task] = max(version, unwritten.pop(task, 0))
        while len(unwritten) > MAX_SEEN_CURSORS:
            del unwritten[next(iter(unwritten))]
        if not unwritten:
            del self._unwritten[principal.person]
        self._woken.set()

    @asynccontextmanager
    async def look(self, principal: Principal, reader: SeenReader) -> AsyncIterator[None]:
        """Send a device the person's cursors, all and then each that moves, while this runs."""
        name = principal.person
        person = self._people.setdefault(name, _Person(principal.account))
        person.waiting.add(reader)
        self._woken.set()
        try:
            yield
        finally:
            person.waiting.discard(reader)
            person.readers.discard(reader)
            if not person.waiting and not person.readers and self._people.get(name) is person:
                del self._people[name]

    def receive(self, payload: bytes) -> None:
        """Receive what another gateway wrote, or this one."""
        name, _, content = payload.partition(b" ")
        person = self._people.get(PersonId(name.decode(errors="replace")))
        if person is None:
            return
        try:
            self._show(person, _cursors.decode(content))
        except msgspec.DecodeError as error:
            _log.error("seen.malformed", error=str(error))

    def on_gap(self) -> None:
        """Read everything again: messages of other gateways may have been missed."""
        for person in self._people.values():
            person.waiting |= person.readers
        self._woken.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Write and send until stopped, and once more then."""

        async def stop() -> None:
            await stopping.wait()
            self._woken.set()

        async with asyncio.TaskGroup() as group:
            group.create_task(stop())
            while not stopping.is_set():
                await self._woken.wait()
                self._woken.clear()
                await self._work()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_GATHER_SECONDS):
                        await stopping.wait()
            await self._work()

    async def _work(self) -> None:
        """Write what was said, then read for the devices that wait; what fails stays due."""
        try:
            while self._unwritten:
                await self._write(next(iter(self._unwritten)))
            for name in [name for name, person in self._people.items() if person.waiting]:
                await self._read(name)
        except Refused as refusal:
            if not self._is_away:
                _log.warning("seen.postgres_unavailable", reason=refusal.problem.detail)
            self._is_away = True
            self._woken.set()
        else:
            self._is_away = False

    async def _write(self, name: PersonId) -> None:
        account, cursors = self._unwritten[name]
        said = dict(cursors)
        moved = await self._store.advance(account, name, said)
        for task, version in said.items():
            if cursors.get(task) == version:  # nothing newer was said meanwhile
                del cursors[task]
        if not cursors:
            del self._unwritten[name]
        if moved:
            if (person := self._people.get(name)) is not None:
                self._show(person, moved)
            await self._publish(name, moved)

    async def _publish(self, name: PersonId, moved: Mapping[str, int]) -> None:
        try:
            with redis_errors():
                await self._redis.publish(SEEN, name.encode() + b" " + msgspec.json.encode(moved))
        except RedisUnavailable as error:
            _log.warning("seen.not_published", error=repr(error))

    async def _read(self, name: PersonId) -> None:
        person = self._people.get(name)
        if person is None:  # its devices are gone by now
            return
        waiting, person.waiting = person.waiting, set()
        new = waiting - person.readers
        person.readers |= new  # before the read: what moves meanwhile must not be missed
        try:
            cursors = await self._store.read(person.account, name)
        except Refused:
            person.waiting |= waiting & person.readers
            person.readers -= new
            raise
        for reader in waiting & person.readers:
            reader.seen(cursors, is_first=reader in new)

    def _show(self, person: _Person, cursors: Mapping[str, int]) -> None:
        for reader in person.readers:
            reader.seen(cursors)
