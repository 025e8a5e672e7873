"""The broker API: what a worker asks of the gateway, and what it is answered.

The one request/response path between services. Every request but the claim carries the attempt's
token. Refusals are problems (RFC 9457, `events.protocol.problem`); the codes that a worker acts on
are named here.
"""

from datetime import datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta

BROKER_PATH: Final = "/broker"
MAX_EVENTS_TO_VERIFY: Final = 500

GATEWAY_STARTING: Final = "gateway_starting"
OBJECT_STORE_UNREACHABLE: Final = "object_store_unreachable"
FORGE_UNREACHABLE: Final = "forge_unreachable"
FORGE_RATE_LIMITED: Final = "forge_rate_limited"
PULL_REQUEST_EMPTY: Final = "pull_request_empty"


class ClaimRequest(msgspec.Struct, frozen=True):
    """The attempt a machine works for, proven by the one-time code.

    `account` may be left out; it is then looked up in the read model.
    """

    task: str
    attempt: int
    code: str
    machine: str
    account: str = ""


class NatsAccess(msgspec.Struct, frozen=True):
    """The address of the log, and the text of the attempt's own `.creds` file."""

    url: str
    credentials: str


class ClaimResponse(msgspec.Struct, frozen=True):
    """Everything a worker needs to begin. The token is sent only this once."""

    nats: NatsAccess
    token: str
    account: str
    reader: str
    expires_at: datetime
    model_kind: str


class StoredBlob(msgspec.Struct, frozen=True):
    """The key under which bytes were stored."""

    key: str
    size_bytes: int
    sha256: str


class SignedEvent(msgspec.Struct, frozen=True):
    """A stored event that carries a MAC: its place, its `Errand-Mac`, the SHA-256 of its body."""

    sequence: Annotated[int, Meta(ge=1)]
    version: Annotated[int, Meta(ge=1, lt=2**31)]
    mac: Annotated[str, Meta(max_length=200)]
    digest: Annotated[bytes, Meta(min_length=32, max_length=32)]


class VerifyEventsRequest(msgspec.Struct, frozen=True):
    """The events to verify at once."""

    events: Annotated[tuple[SignedEvent, ...], Meta(max_length=MAX_EVENTS_TO_VERIFY)]


class VerifyEventsResponse(msgspec.Struct, frozen=True):
    """For each event, in order, whether it was written by the service its MAC names."""

    genuine: list[bool]


class PullRequestRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The text of the task's pull request, and from which branch into which it goes."""

    title: str
    body: str
    branch: str
    base: str
    draft: bool = False


class PullRequestResponse(msgspec.Struct, frozen=True):
    """The pull request as it stands; `created` is true when it is new."""

    number: int
    url: str
    created: bool


class ForgeRepository(msgspec.Struct, frozen=True):
    """A repository as the forge describes it; an empty branch means: ask git."""

    default_branch: str
    kind: str
