"""Client of the Fly Machines API: Fly's own in production, the embedded stack's on a laptop.

Called by the reactor alone. Source: Fly's OpenAPI document (Machines API 1.0), its documentation,
and behaviour observed where the two are silent.
"""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Literal, TypeVar

import httpx
import msgspec

from events import MachineId
from services.scheduler.fleet.machine import Machine, MachineEvent, MachineSpec
from services.scheduler.fleet.machine_errors import MachineNotCreated, no_machine
from services.scheduler.machines.rate_limiter import Limits

_TIMEOUT_SECONDS = 10.0
_TRIES = 4
_BACKOFF_SECONDS = 0.5
_MAX_BACKOFF_SECONDS = 8.0
_SETTLE_SECONDS = 2.0
_UNDECIDED = frozenset({502, 503, 504})
_CLASH = re.compile(r"machine ID (\w+) already exists")

T = TypeVar("T")


class _Problem(msgspec.Struct, frozen=True):
    error: str = ""
    message: str = ""
    status: str = ""


class Unreachable(Exception):
    """Raised when the API gave no clear answer: the call may or may not have been carried out."""


class Refused(Exception):
    """Raised when the API refused: HTTP status and its text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class Machines:
    """The machines of one app. Keeps to the API's rate limits; retries what may be retried.

    `http` has the base URL (…/v1) and the Authorization header. Every method raises Unreachable
    when tries run out, and Refused on an answer it has no word for.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        app: str,
        limits: Limits,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._http = http
        self._app = app
        self._limits = limits
        self._sleep = sleep
        self._chance = chance

    async def obtain(self, wanted: MachineSpec, *, may_exist: bool) -> Machine | MachineNotCreated:
        """Return the machine, created if it does not exist; or the reason why there is none.

        The API knows no idempotency key: a name is unique among live machines. So with `may_exist`
        (an earlier call may have been carried out), and after every unclear answer, the machine is
        looked for by name first, and adopted.
        """
        if may_exist and (found := await self.find(wanted.name, wanted.identity)):
            return found
        for number in range(_TRIES):
            try:
                return await self._create(wanted)
            except Unreachable:
                for seconds in (0.0, _SETTLE_SECONDS):  # the list is eventually consistent
                    await self._sleep(seconds)
                    if found := await self.find(wanted.name, wanted.identity):
                        return found
            await self._sleep(self._backoff(number, 0.0))
        raise Unreachable(f"creating {wanted.name}: no clear answer in {_TRIES} tries")

    async def find(self, name: str, metadata: Mapping[str, str]) -> Machine | None:
        """Look for a machine by name and metadata, a destroyed one too; a live one comes first."""
        found = [m for m in await self.list(metadata, include_deleted=True) if m.name == name]
        found.sort(key=lambda machine: machine.state == "destroyed")
        return found[0] if found else None

    async def list(
        self, metadata: Mapping[str, str], *, include_deleted: bool = False
    ) -> Sequence[Machine]:
        """List the app's machines that carry all this metadata."""
        query = {f"metadata.{key}": value for key, value in metadata.items()}
        if include_deleted:
            query["include_deleted"] = "true"
        return _read(await self._call("list", "GET", "", params=query), list[Machine])

    async def get(self, machine: MachineId) -> Machine | None:
        """Return the machine, or None when it never existed or is long gone."""
        response = await self._call("get", "GET", machine, accept=(404,))
        return None if response.status_code == HTTPStatus.NOT_FOUND else _read(response, Machine)

    async def wait(
        self,
        machine: MachineId,
        state: Literal["started", "stopped", "suspended", "destroyed"],
        *,
        seconds: int,
        instance: str = "",
    ) -> Literal["reached", "not yet", "gone"]:
        """Wait 1 to 60 seconds for a state. `instance` is required to wait for stopped."""
        query = {"state": state, "timeout": str(seconds)}
        if instance:
            query["instance_id"] = instance
        response = await self._call(
            "wait",
            "GET",
            f"{machine}/wait",
            params=query,
            accept=(404, 408),
            timeout=seconds + _TIMEOUT_SECONDS,
        )
        if response.status_code == HTTPStatus.NOT_FOUND:
            return "gone"
        return "not yet" if response.status_code == HTTPStatus.REQUEST_TIMEOUT else "reached"

    async def start(self, machine: MachineId) -> None:
        """Start a stopped machine."""
        await self._call("start", "POST", f"{machine}/start")

    async def stop(self, machine: MachineId, *, seconds: int) -> None:
        """Ask a machine to stop, and have it killed when the time is over. 404 is success."""
        body = {"signal": "SIGTERM", "timeout": f"{seconds}s"}
        await self._call("stop", "POST", f"{machine}/stop", json=body, accept=(404,))

    async def destroy(self, machine: MachineId) -> None:
        """End and remove a machine, whatever it does. 404 is success."""
        await self._call("destroy", "DELETE", machine, params={"force": "true"}, accept=(404,))

    async def events(self, machine: MachineId) -> Sequence[MachineEvent]:
        """Return what happened to a machine, in no order to rely on; nothing when it is gone."""
        response = await self._call("events", "GET", f"{machine}/events", accept=(404,))
        if response.status_code == HTTPStatus.NOT_FOUND:
            return []
        return _read(response, list[MachineEvent])

    async def metadata(self, machine: MachineId) -> dict[str, str]:
        """Return a machine's metadata."""
        return _read(await self._call("metadata", "GET", f"{machine}/metadata"), dict[str, str])

    async def set_metadata(self, machine: MachineId, key: str, value: str) -> None:
        """Write one metadata value."""
        await self._call("metadata", "POST", f"{machine}/metadata/{key}", json={"value": value})

    async def _create(self, wanted: MachineSpec) -> Machine | MachineNotCreated:
        """Ask for the machine. Raises Unreachable when it may or may not exist now."""
        try:
            response = await self._call(
                "create", "POST", "", json=wanted.body(), is_repeatable=False
            )
        except Refused as refused:
            if refused.status == HTTPStatus.CONFLICT and (clash := _CLASH.search(str(refused))):
                return await self._adopt(MachineId(clash[1]), wanted)
            return no_machine(refused.status, str(refused))
        return _read(response, Machine)

    async def _adopt(self, machine: MachineId, wanted: MachineSpec) -> Machine | MachineNotCreated:
        """Take the live machine that holds the name, if it is ours."""
        found = await self.get(machine)
        if found is None or found.name != wanted.name:
            raise Unreachable(f"{wanted.name}: the machine that held the name is gone")
        if not wanted.identity.items() <= found.config.metadata.items():
            return no_machine(
                409, f"the name {wanted.name} is held by a foreign machine, {machine}"
            )
        return found

    async def _call(
        self,
        action: str,
        method: str,
        path: str,
        *,
        accept: tuple[int, ...] = (),
        is_repeatable: bool = True,
        **request: Any,  # noqa: ANN401 - passed on to httpx as it is
    ) -> httpx.Response:
        """Make a call; repeat it while that helps. Raises Unreachable, Refused."""
        url = f"/apps/{self._app}/machines" + (f"/{path}" if path else "")
        request.setdefault("timeout", _TIMEOUT_SECONDS)
        trouble = ""
        for number in range(_TRIES):
            await self._limits.admit(path.partition("/")[0] or self._app, action)
            at_least = 0.0
            try:
                response = await self._http.request(method, url, **request)
            except httpx.TransportError as error:
                trouble, is_undone = f"{type(error).__name__}: {error}", False
            else:
                if response.is_success or response.status_code in accept:
                    return response
                trouble = f"{response.status_code}: {_text(response)}"
                is_undone, at_least = _may_repeat(response)
            if not (is_undone or is_repeatable):
                break
            await self._sleep(self._backoff(number, at_least))
        raise Unreachable(f"{action} {path or self._app}: {trouble}")

    def _backoff(self, number: int, at_least: float) -> float:
        """Return the seconds to wait: full jitter, but never less than the server's Retry-After."""
        longest = min(_MAX_BACKOFF_SECONDS, _BACKOFF_SECONDS * 2.0**number)
        return at_least + self._chance() * longest


def _may_repeat(response: httpx.Response) -> tuple[bool, float]:
    """Return whether a failed call certainly did nothing, and the minimum seconds to wait.

    Raises Refused when repeating it would not help, Unreachable when it must not be repeated.
    """
    status = response.status_code
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        seconds: str = response.headers.get("retry-after", "")
        return True, float(int(seconds)) if seconds.isdecimal() else 0.0
    if status in _UNDECIDED:
        return False, 0.0
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Unreachable(f"{status}: {_text(response)}")
    raise Refused(status, _text(response))


def _text(response: httpx.Response) -> str:
    """Return the text of an error: `error` or `message`, and the code in `status`."""
    try:
        problem = msgspec.json.decode(response.content, type=_Problem)
    except msgspec.DecodeError:
        return response.text[:500]
    words = problem.error or problem.message
    return f"{words} ({problem.status})" if problem.status else words


def _read(response: httpx.Response, kind: type[T]) -> T:
    """Read an answer. Raises Unreachable when it is not what the API promises."""
    try:
        return msgspec.json.decode(response.content, type=kind)
    except msgspec.DecodeError as error:
        raise Unreachable(f"an answer that is no {kind.__name__}: {error}") from None
