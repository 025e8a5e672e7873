"""The operations of the Machines API on the machines of this computer."""

import asyncio
import ipaddress
import signal
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from infra.machines_api.drivers.driver import Driver, Exit
from infra.machines_api.faults import Faults
from infra.machines_api.machine import DIED_WITH_HOST, Life, bury
from infra.machines_api.registry import Change, Registry
from infra.machines_api.shapes import (
    ApiError,
    CreateRequest,
    ImageRef,
    Machine,
    StopRequest,
    duration_seconds,
)
from infra.machines_api.store import Store, Stored
from infra.runtime.clock import Clock

_KEEP_DESTROYED = timedelta(days=7)
_DESTROY_SECONDS = 10.0
_DEFAULT_REGION = "local"
_RUNNING = frozenset({"starting", "started", "stopping", "restarting"})


class Host:
    """Holds the machines and lets them live in `group`.

    Its state is on disk. Machines die with this program, so on its next start `recover` records
    the exit of those that ran, applies restart policy and auto_destroy, and nothing is forgotten.
    """

    def __init__(
        self,
        store: Store,
        driver: Driver,
        group: asyncio.TaskGroup,
        *,
        clock: Clock,
        entropy: Callable[[int], bytes],
        faults: Faults,
    ) -> None:
        self._registry = Registry(store, clock, entropy)
        self._driver = driver
        self._group = group
        self._faults = faults
        self._lives: dict[str, Life] = {}
        self._is_closing = False

    async def recover(self) -> None:
        """Take up the machines as the last run of this program left them. Call once, first."""
        self._registry.forget_destroyed(self._registry.now() - _KEEP_DESTROYED)
        for stored in self._registry:
            machine = stored.machine
            if machine.state == "destroyed":
                continue
            await self._driver.sweep(machine.id)
            if machine.state in _RUNNING:
                self._begin(machine.id, DIED_WITH_HOST)
            elif machine.state == "created" and not stored.is_idle:
                self._begin(machine.id)
            elif stored.is_destroy_requested or machine.settings.auto_destroy:
                await bury(machine.id, self._registry, self._driver)

    async def close(self) -> None:
        """End every machine, politely and then not, and wait until they rest. Begin no more."""
        self._is_closing = True
        async with asyncio.TaskGroup() as ending:
            for machine, life in tuple(self._lives.items()):
                self._mark(machine, is_stop_requested=True)
                ending.create_task(life.stop(signal.SIGTERM, timeout_seconds=2.0))
                ending.create_task(life.over())

    def create(self, app: str, request: CreateRequest) -> Machine:
        """Make a machine and, unless `skip_launch`, start it. Raises ApiError 409: name in use."""
        self._require_open()
        registry = self._registry
        identity = registry.new_machine_id()
        name = request.name or f"local-{identity[:8]}"
        registry.claim_name(app, name)
        now = registry.now().isoformat()
        event = registry.event(Change(kind="launch", state="created", is_by_user=True))
        machine = Machine(
            id=identity,
            name=name,
            state="created",
            region=request.region.split(",")[0] or _DEFAULT_REGION,
            instance_id=registry.new_ulid(),
            private_ip=str(ipaddress.IPv6Address((0xFDAA << 112) | int(identity, 16))),
            created_at=now,
            updated_at=now,
            config=request.config,
            image_ref=_image_ref(request.config["image"]),
            events=(event,),
        )
        registry.keep(Stored(app=app, machine=machine, is_idle=request.skip_launch))
        if not request.skip_launch:
            self._begin(identity)
        return machine

    def get(self, app: str, machine: str) -> Machine:
        """Look one up. Raises ApiError 404 when it never existed."""
        return self._registry.find(app, machine).machine

    def list(
        self,
        app: str,
        *,
        metadata: Mapping[str, str],
        states: Sequence[str],
        region: str,
        include_deleted: bool,
    ) -> Sequence[Machine]:
        """List the app's machines that have all the metadata, one of the states, the region."""
        horizon = self._registry.now() - timedelta(seconds=self._faults.list_lag_seconds)
        return [
            stored.machine
            for stored in self._registry
            if stored.app == app
            and (include_deleted or stored.machine.state != "destroyed")
            and (not states or stored.machine.state in states)
            and region in ("", stored.machine.region)
            and metadata.items() <= stored.machine.config.get("metadata", {}).items()
            and datetime.fromisoformat(stored.machine.created_at) <= horizon
        ]

    async def wait(
        self, app: str, machine: str, states: Sequence[str], *, seconds: float, instance: str
    ) -> tuple[Machine, str]:
        """Return the machine, and which of `states` it reached, within `seconds`.

        Raises ApiError: 400 for `stopped` without an instance, 404 when it can no longer get
        there, 408 when the time is over.
        """
        now = self._registry.find(app, machine).machine
        if "stopped" in states and not instance:
            raise ApiError(400, "invalid_argument: instance_id is required to wait for stopped")
        if instance not in ("", now.instance_id):
            raise ApiError(404, "machine version not found")
        try:
            async with asyncio.timeout(seconds):
                return await self._registry.until(machine, set(states), after=len(now.events))
        except TimeoutError:
            state = self._registry[machine].machine.state
            raise ApiError(
                408,
                "deadline_exceeded: machine failed to reach desired state, "
                f"{', '.join(states)}, currently {state}",
            ) from None

    def start(self, app: str, machine: str) -> str:
        """Start a machine that rests; return the state it was in. Raises ApiError 412."""
        self._require_open()
        stored = self._registry.find(app, machine)
        state = stored.machine.state
        if state == "started":
            return state
        if state not in ("stopped", "failed") and not stored.is_idle:
            raise ApiError(
                412, f"failed_precondition: unable to start machine from current state: '{state}'"
            )
        self._mark(machine, is_stop_requested=False, is_idle=False)
        self._begin(machine)
        return state

    def stop(self, app: str, machine: str, request: StopRequest) -> None:
        """Stop a machine: the signal now, SIGKILL after the timeout. Returns at once."""
        stored = self._registry.find(app, machine)
        config = stored.machine.settings.stop_config
        number = signal.Signals[request.signal or config.signal]
        seconds = duration_seconds(request.timeout or config.timeout)
        life = self._lives.get(machine)
        if life is None or stored.machine.state in ("stopping", "destroying"):
            return
        self._mark(machine, is_stop_requested=True)
        self._registry.advance(machine, Change(kind="stop", state="stopping", is_by_user=True))
        self._group.create_task(life.stop(number, seconds))

    async def destroy(self, app: str, machine: str, *, is_forced: bool) -> None:
        """Destroy a machine; a running one only by force. Raises ApiError 412."""
        stored = self._registry.find(app, machine)
        if stored.machine.state == "destroyed":
            return
        life = self._lives.get(machine)
        if life is not None and not is_forced:
            raise ApiError(
                412, "failed_precondition: unable to destroy machine, not currently stopped"
            )
        self._mark(machine, is_destroy_requested=True)
        self._registry.advance(machine, Change(kind="destroy", state="destroying", is_by_user=True))
        if life is None:
            await bury(machine, self._registry, self._driver)
            return
        life.kill()
        try:
            async with asyncio.timeout(_DESTROY_SECONDS):
                await life.over()
        except TimeoutError:
            raise ApiError(504, "deadline_exceeded: the machine does not end") from None

    def set_metadata(self, app: str, machine: str, key: str, value: str | None) -> None:
        """Write one metadata value, or remove it. Makes no new version."""
        stored = self._registry.find(app, machine)
        metadata = dict(stored.machine.config.get("metadata", {}))
        metadata.pop(key, None)
        if value is not None:
            metadata[key] = value
        config = {**stored.machine.config, "metadata": metadata}
        replaced = msgspec.structs.replace(stored.machine, config=config)
        self._registry.keep(msgspec.structs.replace(stored, machine=replaced))

    def vanish(self, machine: str) -> None:
        """Remove a machine without an event (an injected fault)."""
        if machine in self._lives:
            self._registry.advance(machine, Change(kind="destroy", state="destroyed"))
            self._lives[machine].kill()

    def _require_open(self) -> None:
        if self._is_closing:
            raise ApiError(503, "unavailable: the local Machines API is stopping")

    def _begin(self, machine: str, exited: Exit | None = None) -> None:
        life = Life(machine, self._registry, self._driver, self._faults.start_delay)
        self._lives[machine] = life
        self._group.create_task(self._live(machine, life, exited))

    async def _live(self, machine: str, life: Life, exited: Exit | None) -> None:
        try:
            await life.run(exited)
        finally:
            del self._lives[machine]

    def _mark(self, machine: str, **changes: bool) -> None:
        self._registry.keep(msgspec.structs.replace(self._registry[machine], **changes))


def _image_ref(image: str) -> ImageRef:
    """Take `registry/repository:tag@digest` apart."""
    name, _, digest = image.partition("@")
    registry, _, rest = name.partition("/")
    if not rest or not ({".", ":"} & set(registry)):
        registry, rest = "registry-1.docker.io", name
    repository, _, tag = rest.partition(":")
    return ImageRef(registry=registry, repository=repository, tag=tag, digest=digest)
