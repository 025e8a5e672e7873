"""One machine from launch to rest."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import msgspec

from infra.machines_api.drivers.driver import Driver, Exit, Instance, Launch, LaunchFailed
from infra.machines_api.registry import Change, Registry
from infra.machines_api.shapes import Json, MachineConfig
from infra.machines_api.store import Stored
from infra.runtime.telemetry import logger

_RESTART_SECONDS = 0.25
_MAX_RESTART_SECONDS = 10.0
KILLED = signal.SIGKILL.value
_LOG = logger(__name__)

# How a machine ended that was running when this program was killed: it died with it.
DIED_WITH_HOST = Exit(
    exit_code=128 + KILLED, signal=KILLED, error="the local Machines API was restarted"
)


class Life:
    """A machine's running time. Its stages are in the registry; this holds what cannot be stored.

    Who wants it stopped or destroyed says so in the registry, then calls `stop` or `kill`.
    """

    def __init__(
        self, machine: str, registry: Registry, driver: Driver, start_delay: Callable[[], float]
    ) -> None:
        self._machine = machine
        self._registry = registry
        self._driver = driver
        self._start_delay = start_delay
        self._instance: Instance | None = None
        self._is_over = asyncio.Event()
        self._is_unwanted = asyncio.Event()

    async def run(self, exited: Exit | None = None) -> None:
        """Live until the machine rests: stopped, failed or destroyed.

        With `exited`, begin after a run that ended like that.
        """
        try:
            while exited is not None or (exited := await self._run_once()) is not None:
                if not self._has_another_run(exited):
                    break
                exited = None
            await self._rest()
        finally:
            self._is_over.set()

    async def stop(self, number: int, timeout_seconds: float) -> None:
        """Send the signal; when the time is over, kill."""
        self._is_unwanted.set()
        if self._instance is not None:
            self._instance.signal(number)
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._is_over.wait()
        except TimeoutError:
            self.kill()

    def kill(self) -> None:
        """End it now."""
        self._is_unwanted.set()
        if self._instance is not None:
            self._instance.kill()

    async def over(self) -> None:
        """Return when it rests."""
        await self._is_over.wait()

    async def _run_once(self) -> Exit | None:
        """Start it and wait for its end. None: it was unwanted before it ran, or could not."""
        await self._pause(self._start_delay())
        if self._is_unwanted.is_set():
            return None
        stored = self._registry.advance(self._machine, Change(kind="start", state="starting"))
        try:
            self._instance = await self._driver.launch(_launch(stored))
        except LaunchFailed as error:
            request: Json = {"error": str(error)}
            change = Change(kind="launch", state="failed", request=request)
            self._registry.advance(self._machine, change)
            return None
        if self._is_unwanted.is_set():
            self._instance.kill()
        else:
            self._registry.advance(self._machine, Change(kind="start", state="started"))
        exited = await self._instance.wait()
        self._instance = None
        return exited

    def _has_another_run(self, exited: Exit) -> bool:
        """Record the exit, and return whether the restart policy asks for another run."""
        stored = self._registry[self._machine]
        if stored.machine.state == "destroyed":  # it vanished: nobody saw it exit
            return False
        restarts = _is_restarted(stored, exited) and not self._is_unwanted.is_set()
        request = _exit_request(stored, exited, restarts=restarts, at=self._registry.now())
        state = "destroying" if stored.is_destroy_requested else "stopped"
        self._registry.advance(self._machine, Change(kind="exit", state=state, request=request))
        _LOG.info("machine.exited", machine=self._machine, exit_code=exited.exit_code)
        if restarts:
            stored = self._registry[self._machine]
            self._registry.keep(msgspec.structs.replace(stored, restarts=stored.restarts + 1))
        return restarts

    async def _rest(self) -> None:
        stored = self._registry[self._machine]
        config = stored.machine.settings
        if stored.is_destroy_requested or (config.auto_destroy and not stored.is_idle):
            await bury(self._machine, self._registry, self._driver)
        elif self._is_unwanted.is_set() and stored.machine.state not in ("stopped", "failed"):
            self._registry.advance(self._machine, Change(kind="stop", state="stopped"))

    async def _pause(self, seconds: float) -> None:
        restarts = self._registry[self._machine].restarts
        if restarts:
            seconds += min(_RESTART_SECONDS * 2 ** (restarts - 1), _MAX_RESTART_SECONDS)
        if seconds:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._is_unwanted.wait()


async def bury(machine: str, registry: Registry, driver: Driver) -> None:
    """Take a machine that no longer runs through destroying to destroyed."""
    if registry[machine].machine.state != "destroyed":
        registry.advance(machine, Change(kind="destroy", state="destroying"))
        await driver.remove(machine)
        registry.advance(machine, Change(kind="destroy", state="destroyed"))


def _launch(stored: Stored) -> Launch:
    machine, config = stored.machine, stored.machine.settings
    return Launch(
        machine=machine.id,
        instance=machine.instance_id,
        image=config.image,
        env={**config.env, **_platform_env(stored, config)},
        memory_mb=config.guest.memory_mb,
    )


def _platform_env(stored: Stored, config: MachineConfig) -> dict[str, str]:
    """Encode the variables that Fly sets in every machine."""
    machine = stored.machine
    return {
        "FLY_APP_NAME": stored.app,
        "FLY_MACHINE_ID": machine.id,
        "FLY_ALLOC_ID": machine.id,
        "FLY_REGION": machine.region,
        "FLY_IMAGE_REF": config.image,
        "FLY_MACHINE_VERSION": machine.instance_id,
        "FLY_PRIVATE_IP": machine.private_ip,
        "FLY_PROCESS_GROUP": config.metadata.get("fly_process_group", ""),
        "FLY_VM_MEMORY_MB": str(config.guest.memory_mb),
        "PRIMARY_REGION": machine.region,
    }


def _is_restarted(stored: Stored, exited: Exit) -> bool:
    restart = stored.machine.settings.restart
    if stored.is_stop_requested or stored.is_destroy_requested:
        return False
    if restart.policy == "always":
        return True
    is_wanted = restart.policy == "on-failure" and exited.exit_code != 0
    return is_wanted and stored.restarts < restart.max_retries


def _exit_request(stored: Stored, exited: Exit, *, restarts: bool, at: datetime) -> Json:
    """Encode the exit the way flyd does."""
    return {
        "exit_event": {
            "requested_stop": stored.is_stop_requested or stored.is_destroy_requested,
            "restarting": restarts,
            "guest_exit_code": exited.exit_code,
            "guest_signal": exited.signal,
            "guest_error": "",
            "exit_code": exited.exit_code,
            "signal": exited.signal,
            "error": exited.error,
            "oom_killed": exited.oom_killed,
            "exited_at": at.isoformat(),
        },
        "restart_count": stored.restarts,
    }
