"""A seeded world around the real hub and the real sessions: what can go wrong on the way, does.

Redis drops, doubles, delays and reorders messages and goes away; the log lags and goes away; phones
take what they are sent slowly or not at all, leave and come back; the hub's process dies. What may
never happen is checked as it happens: a phone is sent exactly the log's events, in order, and once
the faults stop every phone is at the head within ten seconds, though Redis told nothing more.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from functools import cache
from random import Random
from typing import Any

import msgspec

from events import AccountId, Head, History, PersonId, Recorded
from events.protocol import frames
from events.protocol.frames import Closed
from infra.log.event_log import Unavailable
from infra.runtime.clock import utc_now
from infra.stores.live_channels import Frame, feed_channel, pack
from services.gateway.stream.hub import Hub
from services.gateway.stream.redis_connection import Listener
from services.gateway.stream.session import Session, SessionDependencies, StreamTimeouts
from services.gateway.tasks.access import Principal
from tests.kit.build.any_event import HISTORY
from tests.kit.fakes.feed_log import event as _event

QUIET_SECONDS = 10.0
SETTLING_SECONDS = 3.0  # for what is under way when the faults stop
_PATIENCE = StreamTimeouts()
event = cache(_event)


class Lost(AssertionError):
    """Raised when a law of the stream is broken."""


class _Item(msgspec.Struct):
    t: str = ""
    version: int = 0
    after: int = 0


_items = msgspec.json.Decoder(list[_Item])


class _Disconnected(Exception):
    """The phone closed the connection."""


class World:
    """The log, and Redis between it and the hub. `chance` decides everything."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.length = 0
        self.is_faulty = True
        self.is_mute = chance.random() < 0.3  # Redis tells nothing at all, to the end
        self.log_is_away = self.redis_is_away = False
        self._listener: Listener | None = None
        self._channels: set[str] = set()

    # The log.

    async def read(self, history: History, *, after: int | Head = 0) -> Sequence[Recorded]:
        version = after.version if isinstance(after, Head) else after
        length = await self._asked()
        return [event(n) for n in range(version + 1, length + 1)]

    async def head(self, history: History) -> Head:
        length = await self._asked()
        return Head(length, length)

    async def heads(self, histories: Sequence[History]) -> Mapping[History, int]:
        length = await self._asked()
        return {history: length for history in histories if length}

    async def _asked(self) -> int:
        """Answer how long the history was at some moment while the question was under way."""
        before = self.length
        await asyncio.sleep(self.chance.choice((0.0, 0.0, 0.001, 0.3)))
        if self.log_is_away:
            raise Unavailable("away")
        lags = self.is_faulty and self.chance.random() < 0.2
        return max(0, before - 1) if lags else self.chance.randint(before, self.length)

    # Redis.

    async def run(self, listener: Listener, stopping: asyncio.Event) -> None:
        self._listener, self._channels = listener, set()
        await stopping.wait()

    async def subscribe(self, channel: str) -> None:
        await asyncio.sleep(self.chance.choice((0.0, 0.002)))
        if channel not in self._channels and not self.redis_is_away:
            self._channels.add(channel)
            self._gap(channel)

    def unsubscribe(self, channel: str) -> None:
        self._channels.discard(channel)

    def _gap(self, channel: str) -> None:
        if self._listener is not None:
            self._listener.on_gap(channel)

    def grow(self) -> None:
        """Append an event, and let Redis tell it as it pleases."""
        self.length += 1
        if self.is_mute or self.redis_is_away:
            return
        fate = self.chance.random() if self.is_faulty else 1.0
        if fate < 0.15:
            return
        for _ in range(2 if fate < 0.3 else 1):
            delay = self.chance.uniform(0, 0.5) if fate < 0.6 else 0.0
            asyncio.get_running_loop().call_later(delay, self._tell, self.length)

    def _tell(self, version: int) -> None:
        channel = feed_channel(HISTORY)
        if self._listener is not None and channel in self._channels and not self.redis_is_away:
            self._listener.on_message(channel, pack(Frame(version, event(version).body)))

    def lose_redis(self) -> None:
        """Redis goes away; what it knew of subscriptions is gone."""
        self.redis_is_away = True
        self._channels = set()

    def regain_redis(self) -> None:
        self.redis_is_away = False
        for channel in [feed_channel(HISTORY)]:
            self._channels.add(channel)
            self._gap(channel)

    async def newest(self, account: AccountId, limit: int) -> list[Any]:
        return []


class NoPresence:
    """Whoever looks at what does not matter here."""

    def keep(self, spot: object, look: object) -> None: ...
    def forget(self, spot: object) -> None: ...


class Phone:
    """A device that keeps to the client's rules, and to its whims."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.version = world.chance.randint(0, world.length)
        self.is_slow = self.is_stuck = False
        self._said: asyncio.Queue[bytes | None] = asyncio.Queue()

    def leave(self) -> None:
        """Drop the connection."""
        self._said.put_nowait(None)

    async def live(self, hubs: "Hubs") -> None:
        """Connect, and come back whenever the connection ends."""
        while True:
            hub = await hubs.current()
            self._said = asyncio.Queue()
            hello = frames.Hello(
                v=1,
                device=frames.Device(self.name),
                token="t",
                subs=(frames.Subscription(HISTORY.task, self.version),),
            )
            principal = Principal(HISTORY.account, PersonId("per_1"), "ses_1")
            dependencies = SessionDependencies(
                hub=hub,
                seen=None,  # nobody watches the list here
                perform=_nothing,
                presence=NoPresence(),
                clock=utc_now,
                patience=_PATIENCE,
                renew=_nobody,
            )  # type: ignore[arg-type]
            try:
                await Session(principal, hello, dependencies, self._take).run(self._say)
            except* (Closed, _Disconnected):
                pass
            await asyncio.sleep(self.world.chance.uniform(0, 0.4))

    async def _say(self) -> bytes:
        said = await self._said.get()
        if said is None:
            raise _Disconnected
        return said

    async def _take(self, frame: bytes) -> None:
        if self.is_slow:
            self.is_stuck = True
            await asyncio.sleep(self.world.chance.choice((0.1, 1.0, 30.0)))
        self.is_stuck = False
        for item in _items.decode(frame):
            match item.t:
                case "":
                    self._apply(item.version)
                case "live" if item.version != self.version:
                    raise Lost(f"{self.name} received live at {item.version}, has {self.version}")
                case "behind":
                    self._fetch()
                case "reset":
                    asyncio.get_running_loop().call_later(0.5, self._sub)
                case "ping":
                    self._said.put_nowait(b'{"t":"pong"}')

    def _apply(self, version: int) -> None:
        if version != self.version + 1:
            raise Lost(f"{self.name} has {self.version} and is sent {version}")
        self.version = version

    def _fetch(self) -> None:
        self.version = self.world.length
        self._sub()

    def _sub(self) -> None:
        self._said.put_nowait(
            msgspec.json.encode({"t": "sub", "task": HISTORY.task, "version": self.version})
        )


async def _nothing(*_: object, **__: object) -> Any:
    raise Lost("a phone of this world gives no commands")


async def _nobody(token: str) -> Principal:
    raise Lost("a phone of this world shows no newer token")


class Hubs:
    """The hub's process: it may die, and a new one begins with nothing."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._hub: Hub | None = None
        self._ready = asyncio.Event()
        self._dying = asyncio.Event()

    async def current(self) -> Hub:
        await self._ready.wait()
        assert self._hub is not None
        return self._hub

    def kill(self) -> None:
        self._dying.set()

    async def run(self, phones: Sequence[Phone]) -> None:
        while True:
            self._dying, stopping = asyncio.Event(), asyncio.Event()
            self._hub = Hub(self._world, self._world, self._world)
            async with asyncio.TaskGroup() as group:
                running = group.create_task(self._hub.run(stopping))
                self._ready.set()
                await self._dying.wait()
                self._ready.clear()
                for phone in phones:
                    phone.leave()
                running.cancel()
            await asyncio.sleep(self._world.chance.uniform(0, 1))


async def schedule(seed: int, *, steps: int = 24, phones: int = 2) -> int:
    """Live through one schedule; return how many events there were. Raises Lost."""
    world = World(Random(seed))
    world.length = world.chance.choice((0, 1, 5, 40))
    hubs = Hubs(world)
    devices = [Phone(world, f"phone-{number}") for number in range(phones)]
    async with AsyncExitStack() as stack:
        group = await stack.enter_async_context(asyncio.TaskGroup())
        tasks = [group.create_task(hubs.run(devices))]
        tasks += [group.create_task(device.live(hubs)) for device in devices]
        for _ in range(steps):
            _happen(world, hubs, devices)
            await asyncio.sleep(world.chance.choice((0.0, 0.001, 0.03, 0.4)))
        _end_faults(world, devices)
        world.grow()
        await asyncio.sleep(SETTLING_SECONDS + QUIET_SECONDS)
        behind = {device.name: device.version for device in devices}
        for task in tasks:
            task.cancel()
    if set(behind.values()) != {world.length}:
        raise Lost(f"at rest the log has {world.length}, the phones {behind}")
    return world.length


def _happen(world: World, hubs: Hubs, devices: Sequence[Phone]) -> None:
    """Let one thing happen."""
    device = world.chance.choice(devices)
    match world.chance.randrange(20):
        case 0:
            world.log_is_away = not world.log_is_away
        case 1 if not world.redis_is_away:
            world.lose_redis()
        case 1 | 2 if world.redis_is_away:
            world.regain_redis()
        case 3:
            device.leave()
        case 4:
            device.is_slow = not device.is_slow
        case 5:
            hubs.kill()
        case _:
            world.grow()


def _end_faults(world: World, devices: Sequence[Phone]) -> None:
    world.is_faulty = world.log_is_away = False
    if world.redis_is_away:
        world.regain_redis()
    for device in devices:
        device.is_slow = False
        if device.is_stuck:
            device.leave()
