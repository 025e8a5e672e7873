"""Registry of all machines; each change is written to disk before it is returned."""

import asyncio
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from datetime import datetime

import msgspec

from infra.machines_api.shapes import ApiError, Json, Machine, MachineEvent
from infra.machines_api.store import Store, Stored
from infra.runtime.clock import Clock

TRANSIENT = frozenset({"created", "starting", "stopping", "restarting", "destroying"})
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A step in a machine's life: the event's type, the state it leads to, who caused it."""

    kind: str
    state: str
    is_by_user: bool = False
    request: Json = {}


class Registry:
    """The machines by id. A destroyed machine stays known: 404 means it never existed."""

    def __init__(self, store: Store, clock: Clock, entropy: Callable[[int], bytes]) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._machines: dict[str, Stored] = {s.machine.id: s for s in store.load()}
        self._changed: dict[str, asyncio.Event] = {}

    def now(self) -> datetime:
        """Return the time."""
        return self._clock()

    def new_machine_id(self) -> str:
        """Make 14 hexadecimal digits."""
        return self._entropy(7).hex()

    def new_ulid(self) -> str:
        """Make a ULID: 48 bits of milliseconds, 80 random bits, 26 characters of base32."""
        milliseconds = int(self._clock().timestamp() * 1000)
        bits = milliseconds << 80 | int.from_bytes(self._entropy(10), "big")
        return "".join(_ALPHABET[bits >> shift & 31] for shift in range(125, -1, -5))

    def find(self, app: str, machine: str) -> Stored:
        """Look one up. Raises ApiError 404 when the app never had it."""
        stored = self._machines.get(machine)
        if stored is None or stored.app != app:
            raise ApiError(404, "machine not found")
        return stored

    def __getitem__(self, machine: str) -> Stored:
        return self._machines[machine]

    def __iter__(self) -> Iterator[Stored]:
        """Yield all machines, oldest first."""
        return iter(tuple(self._machines.values()))

    def claim_name(self, app: str, name: str) -> None:
        """Refuse a name that a live machine of the app holds, with Fly's text. Raises ApiError."""
        for stored in self:
            machine = stored.machine
            if stored.app == app and machine.name == name and machine.state != "destroyed":
                raise ApiError(
                    409,
                    "already_exists: unique machine name violation, machine ID "
                    f'{machine.id} already exists with name "{name}"',
                )

    def keep(self, stored: Stored) -> None:
        """Write a machine down as it now stands and wake who waits for it."""
        machine = stored.machine.id
        self._store.save(stored)
        self._machines[machine] = stored
        self._changed.pop(machine, asyncio.Event()).set()

    def advance(self, machine: str, change: Change) -> Stored:
        """Move a machine to its next state, with an event that says so."""
        stored = self._machines[machine]
        event = self.event(change)
        replaced = msgspec.structs.replace(
            stored.machine,
            state=change.state,
            updated_at=self._clock().isoformat(),
            events=(event, *stored.machine.events),
        )
        self.keep(msgspec.structs.replace(stored, machine=replaced))
        return self._machines[machine]

    def event(self, change: Change) -> MachineEvent:
        """Make the event of a change."""
        return MachineEvent(
            id=self.new_ulid(),
            type=change.kind,
            status=change.state,
            source="user" if change.is_by_user else "flyd",
            timestamp=int(self._clock().timestamp() * 1000),
            request=change.request,
        )

    async def until(
        self, machine: str, states: AbstractSet[str], *, after: int
    ) -> tuple[Machine, str]:
        """Return when the machine is in one of `states`, or passed it since event number `after`.

        A machine that is destroyed reaches nothing more: raises ApiError 404.
        """
        while True:
            now = self._machines[machine].machine
            passed = {event.status for event in now.events[: len(now.events) - after]}
            settled = set() if now.state in TRANSIENT else {"settled"}
            for state in states & (passed | settled | {now.state}):
                return now, state
            if now.state == "destroyed":
                raise ApiError(404, "machine not found")
            await self._changed.setdefault(machine, asyncio.Event()).wait()

    def forget_destroyed(self, before: datetime) -> None:
        """Drop machines destroyed before a time, so that the directory does not grow for ever."""
        for stored in self:
            machine = stored.machine
            updated_at = datetime.fromisoformat(machine.updated_at)
            if machine.state == "destroyed" and updated_at < before:
                self._store.forget(stored)
                del self._machines[machine.id]
