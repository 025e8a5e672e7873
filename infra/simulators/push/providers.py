"""The push services together: who is asked, what was taken, which faults are injected."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from infra.runtime.clock import Clock, Entropy, utc_now
from infra.simulators.push.apns import Apple
from infra.simulators.push.certificate import make_authority
from infra.simulators.push.google import Google, error_body
from infra.simulators.push.http2 import Answer, Request, serving
from infra.simulators.push.web import Browsers

Named = Literal["web", "apns", "fcm", "oauth"]


class Fault(msgspec.Struct, kw_only=True):
    """An injected fault, for the next `times` requests to a service.

    `status` (with `reason`, spelled as the service does, and `retry_after`) is answered in place of
    anything else. `is_lost`: the request is carried out but its connection cut. `wait` is awaited
    before anything is done, to hold a request as long as a test likes.
    """

    service: Named
    times: int = 1
    status: int = 0
    reason: str = ""
    retry_after: str = ""
    is_lost: bool = False
    wait: asyncio.Event | None = None


class ReceivedPush(NamedTuple):
    """A push that a service accepted: for which endpoint or token, and as it came."""

    service: Named
    address: str
    request: Request


class Providers:
    """Answers for all of them. `taken` are the pushes accepted, `asked` counts every request."""

    def __init__(self, *, entropy: Entropy, clock: Clock) -> None:
        self.browsers = Browsers(entropy, clock)
        self.apple = Apple(entropy, clock)
        self.google = Google(entropy, clock)
        self.taken: list[ReceivedPush] = []
        self.asked: dict[Named, int] = {"web": 0, "apns": 0, "fcm": 0, "oauth": 0}
        self._faults: list[Fault] = []

    def order(self, fault: Fault) -> None:
        """Add a fault; the first added is injected first."""
        self._faults.append(fault)

    async def answer(self, request: Request) -> Answer | None:
        """Answer one request as the service would whose path it is."""
        named = _service(request.path)
        if named is None:
            return Answer(404)
        self.asked[named] += 1
        fault = self._strike(named)
        if fault is not None and fault.wait is not None:
            await fault.wait.wait()
        if fault is not None and fault.status:
            return self._refusal(named, fault)
        answer = self._answered(named, request)
        return None if fault is not None and fault.is_lost else answer

    def _strike(self, named: Named) -> Fault | None:
        for fault in self._faults:
            if fault.service == named and fault.times > 0:
                fault.times -= 1
                return fault
        return None

    def _answered(self, named: Named, request: Request) -> Answer:
        match named:
            case "oauth":
                return self.google.grant(request)
            case "web":
                address, answer = self.browsers.push(request)
            case "apns":
                address, answer = self.apple.push(request)
            case _:
                address, answer = self.google.push(request)
        if answer.status < HTTPStatus.MULTIPLE_CHOICES:
            self.taken.append(ReceivedPush(named, address, request))
        return answer

    def _refusal(self, named: Named, fault: Fault) -> Answer:
        headers = {"retry-after": fault.retry_after} if fault.retry_after else {}
        match named:
            case "apns":
                body = msgspec.json.encode({"reason": fault.reason})
            case "fcm":
                body = error_body(fault.status, fault.reason)
            case _:
                body = fault.reason.encode()
        return Answer(fault.status, body, headers)


def _service(path: str) -> Named | None:
    beginnings: tuple[tuple[str, Named], ...] = (
        ("/wp/", "web"),
        ("/3/device/", "apns"),
        ("/v1/projects/", "fcm"),
        ("/token", "oauth"),
    )
    return next((named for beginning, named in beginnings if path.startswith(beginning)), None)


class Running(NamedTuple):
    """The services, listening at `origin`; `authority` is the file of whom to trust."""

    services: Providers
    origin: str
    authority: Path


@asynccontextmanager
async def running_providers(
    directory: Path, *, entropy: Entropy, clock: Clock
) -> AsyncIterator[Running]:
    """Run the push services until the block is left; their certificates are kept in `directory`.

    What they answer follows `clock`; certificates follow the real time, as clients check them so.
    """
    authority, context = make_authority(directory, utc_now())
    services = Providers(entropy=entropy, clock=clock)
    async with serving(services.answer, context) as port:
        yield Running(services, f"https://127.0.0.1:{port}", authority)
