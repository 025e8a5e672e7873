"""The operations of the Machines API, from a request's parts to an answer."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from infra.machines_api.host import Host
from infra.machines_api.http.validation import body_of, create_request, json_object
from infra.machines_api.shapes import ApiError, MetadataValue, StopRequest

_MAX_WAIT_SECONDS = 60
_WAIT_STATES = ("started", "stopped", "suspended", "destroyed", "failed", "settled")
_PATH = re.compile(
    r"/v1/apps/(?P<app>[^/]+)/machines"
    r"(?:/(?P<machine>[^/]+)(?:/(?P<part>[a-z]+)(?:/(?P<key>[^/]+))?)?)?"
)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request on the machines of an app, its path taken apart."""

    app: str
    machine: str = ""
    key: str = ""
    query: Mapping[str, Sequence[str]] = {}
    body: bytes = b""

    def one(self, name: str, default: str = "") -> str:
        """Return a query parameter's first value."""
        return self.query.get(name, [default])[0]


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer; no body with 204."""

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = {}


Operation = Callable[[Request], Awaitable[Reply]]
OK = {"ok": True}


class Operations:
    """Finds the operation a method and path mean, each under the name its limits and faults use."""

    def __init__(self, host: Host, *, is_strict: bool) -> None:
        self._host = host
        self._is_strict = is_strict
        self._table: Mapping[tuple[str, str], tuple[str, Operation]] = {
            ("POST", "machines"): ("create", self._create),
            ("GET", "machines"): ("list", self._list),
            ("GET", "machine"): ("get", self._get),
            ("DELETE", "machine"): ("destroy", self._destroy),
            ("GET", "wait"): ("wait", self._wait),
            ("POST", "start"): ("start", self._start),
            ("POST", "stop"): ("stop", self._stop),
            ("GET", "events"): ("events", self._events),
            ("GET", "metadata"): ("metadata", self._metadata),
            ("GET", "metadata key"): ("metadata", self._metadata_value),
            ("POST", "metadata key"): ("metadata", self._set_metadata),
            ("DELETE", "metadata key"): ("metadata", self._set_metadata),
        }

    def find(self, method: str, path: str) -> tuple[str, Operation, Request]:
        """Return the action's name, what carries it out, and the request but its query and body.

        Raises ApiError 404 or 405.
        """
        match = _PATH.fullmatch(path)
        if match is None:
            raise ApiError(404, "not found")
        app, machine, part, key = (
            group or "" for group in match.group("app", "machine", "part", "key")
        )
        place = f"{part} key" if key else part or ("machine" if machine else "machines")
        if (method, place) in self._table:
            action, operation = self._table[method, place]
            return action, operation, Request(app=app, machine=machine, key=key)
        if any(place == known for _, known in self._table):
            raise ApiError(405, "method not allowed")
        raise ApiError(404, "unimplemented: the local Machines API has no such operation")

    async def _create(self, request: Request) -> Reply:
        wanted = create_request(json_object(request.body), is_strict=self._is_strict)
        return Reply(body=self._host.create(request.app, wanted))

    async def _list(self, request: Request) -> Reply:
        prefix = "metadata."
        machines = self._host.list(
            request.app,
            metadata={
                name.removeprefix(prefix): values[0]
                for name, values in request.query.items()
                if name.startswith(prefix)
            },
            states=[s for value in request.query.get("state", ()) for s in value.split(",") if s],
            region=request.one("region"),
            include_deleted=_flag(request, "include_deleted"),
        )
        return Reply(body=machines)

    async def _get(self, request: Request) -> Reply:
        return Reply(body=self._host.get(request.app, request.machine))

    async def _destroy(self, request: Request) -> Reply:
        is_forced = _flag(request, "force") or _flag(request, "kill")
        await self._host.destroy(request.app, request.machine, is_forced=is_forced)
        return Reply(body=OK)

    async def _wait(self, request: Request) -> Reply:
        states = request.query.get("state", ["started"])
        for state in states:
            if state not in _WAIT_STATES:
                raise ApiError(400, f'invalid_argument: unknown state "{state}"')
        machine, state = await self._host.wait(
            request.app,
            request.machine,
            states,
            seconds=_wait_seconds(request),
            instance=request.one("instance_id") or request.one("version"),
        )
        event = machine.events[0].id
        return Reply(body={**OK, "state": state, "event_id": event, "version": machine.instance_id})

    async def _start(self, request: Request) -> Reply:
        state = self._host.start(request.app, request.machine)
        return Reply(body={"previous_state": state, "migrated": False, "new_host": ""})

    async def _stop(self, request: Request) -> Reply:
        self._host.stop(request.app, request.machine, body_of(request.body, StopRequest))
        return Reply(body=OK)

    async def _events(self, request: Request) -> Reply:
        events = self._host.get(request.app, request.machine).events
        limit = request.one("limit")
        if limit and not limit.isdecimal():
            raise ApiError(400, "invalid_argument: limit: value must be a positive integer")
        return Reply(body=events[: int(limit)] if limit else events)

    async def _metadata(self, request: Request) -> Reply:
        config = self._host.get(request.app, request.machine).config
        return Reply(body=config.get("metadata", {}))

    async def _metadata_value(self, request: Request) -> Reply:
        config = self._host.get(request.app, request.machine).config
        if request.key not in config.get("metadata", {}):
            raise ApiError(404, "metadata key not found")
        return Reply(body={"value": config["metadata"][request.key]})

    async def _set_metadata(self, request: Request) -> Reply:
        value = body_of(request.body, MetadataValue).value if request.body else None
        self._host.set_metadata(request.app, request.machine, request.key, value)
        return Reply(status=204)


def _flag(request: Request, name: str) -> bool:
    return request.one(name).lower() in ("true", "1")


def _wait_seconds(request: Request) -> float:
    text = request.one("timeout", str(_MAX_WAIT_SECONDS))
    if text.isdecimal() and 1 <= int(text) <= _MAX_WAIT_SECONDS:
        return float(text)
    raise ApiError(400, "invalid_argument: timeout: value must be inside range [1s, 1m0s]")
