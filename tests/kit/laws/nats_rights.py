"""Rights of each user of NATS, as tables; and a client that notes its refusals."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Final

from nats.aio.client import Client, RawCredentials

from infra.log.nats_permissions import ROLES, Role, WorkerGrant
from infra.log.nats_users import inbox_prefix

ACCOUNT: Final = "acc_refusals"
MINE: Final = f"events.{ACCOUNT}.task_mine"
OTHERS: Final = f"events.{ACCOUNT}.task_others"
READER: Final = "w-task_mine-a1"
OTHER_READER: Final = "w-task_others-a1"
GRANT: Final = WorkerGrant(ACCOUNT, "task_mine", READER)
NEXT: Final = "$JS.API.CONSUMER.MSG.NEXT.EVENTS"

_READERS: Final = frozenset(ROLES)
_NOBODY: Final[frozenset[Role]] = frozenset()

MAY_PUBLISH: Final[Mapping[str, Collection[Role]]] = MappingProxyType(
    {
        f"events.{ACCOUNT}.task_roles": {"gateway", "scheduler", "operator"},
        "dead.roles": {"scheduler", "projector", "operator"},
        "dead.push": {"gateway", "scheduler", "projector", "operator"},
        f"live.{ACCOUNT}.task_roles": _NOBODY,
        f"beat.{ACCOUNT}.task_roles": _NOBODY,
        "$JS.API.INFO": _READERS,
        "$JS.API.STREAM.INFO.EVENTS": _READERS,
        "$JS.API.STREAM.MSG.GET.EVENTS": _READERS,
        "$JS.API.DIRECT.GET.EVENTS": _READERS,
        "$JS.API.CONSUMER.CREATE.EVENTS.x": _READERS,
        f"{NEXT}.x": _READERS,
        "$JS.API.CONSUMER.DELETE.EVENTS.x": {"scheduler", "projector", "operator"},
        "$JS.API.STREAM.CREATE.EVENTS": {"operator"},
        "$JS.API.STREAM.UPDATE.EVENTS": {"operator"},
        "$JS.API.STREAM.PURGE.EVENTS": {"operator"},
        "$JS.API.STREAM.PURGE.DEADLETTERS": {"operator"},
        "$JS.API.STREAM.MSG.DELETE.DEADLETTERS": {"operator"},
        "$JS.API.STREAM.MSG.DELETE.EVENTS": _NOBODY,
        "$JS.API.STREAM.DELETE.EVENTS": _NOBODY,
        "$JS.API.STREAM.DELETE.DEADLETTERS": _NOBODY,
        "$JS.API.STREAM.CREATE.MINE": _NOBODY,
        "$JS.API.STREAM.SNAPSHOT.EVENTS": _NOBODY,
        "$JS.API.STREAM.RESTORE.EVENTS": _NOBODY,
        "$JS.API.STREAM.LEADER.STEPDOWN.EVENTS": _NOBODY,
        "$JS.API.STREAM.PEER.REMOVE.EVENTS": _NOBODY,
        "$JS.API.META.LEADER.STEPDOWN": _NOBODY,
        "$JS.API.ACCOUNT.PURGE.CORE": _NOBODY,
        "$SYS.REQ.SERVER.PING": _NOBODY,
        "$SYS.REQ.CLAIMS.UPDATE": _NOBODY,
        "_INBOX.somebody": _NOBODY,
        "anything.else": _NOBODY,
    }
)
"""Subject by subject, the services that may say something there; all others are refused."""

MAY_HEAR: Final[Mapping[str, Collection[Role]]] = MappingProxyType(
    {
        "_INBOX.own": _READERS,
        "beat.>": {"scheduler"},
        "live.>": {"projector"},
        "events.>": {"operator"},
        "dead.>": {"operator"},
        "$JS.API.>": _NOBODY,
        "$SYS.>": _NOBODY,
        "_INBOX_w-task_mine-a1.>": _NOBODY,
        ">": _NOBODY,
    }
)
"""The same for listening."""

A_WORKER_MAY_PUBLISH: Final = (
    MINE,
    f"beat.{ACCOUNT}.task_mine",
    f"live.{ACCOUNT}.task_mine",
    f"{NEXT}.{READER}",
)
A_WORKER_MAY_NOT_PUBLISH: Final = (
    OTHERS,
    "events.acc_other.task_mine",
    f"beat.{ACCOUNT}.task_others",
    f"live.{ACCOUNT}.task_others",
    f"{NEXT}.{OTHER_READER}",
    f"$JS.API.DIRECT.GET.EVENTS.{OTHERS}",
    "$JS.API.CONSUMER.CREATE.EVENTS",
    f"$JS.API.CONSUMER.CREATE.EVENTS.{READER}",
    "$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.mine",
    f"$JS.API.CONSUMER.DELETE.EVENTS.{OTHER_READER}",
    f"$JS.API.CONSUMER.INFO.EVENTS.{READER}",
    "$JS.API.CONSUMER.NAMES.EVENTS",
    "$JS.ACK.EVENTS.w-task_others-a1.1.1.1.1.0",
    "$SYS.REQ.USER.INFO",
    *MAY_PUBLISH,
)
"""With everything in it that is refused to any service: nothing of it is a worker's."""
A_WORKER_MAY_NOT_HEAR: Final = (
    MINE,
    f"events.{ACCOUNT}.*",
    "_INBOX.>",
    "_INBOX_w-x.>",
    *(subject for subject in MAY_HEAR if READER not in subject),
)

NOT_TO_BE_STORED: Final[Mapping[str, str]] = MappingProxyType(
    {"Nats-Expected-Stream": "NONE", "Nats-Rollup": "none"}
)
"""Headers with which an allowed message changes nothing: no stream has this name."""
NOT_A_QUESTION: Final = b"not json, so an allowed call of the API changes nothing"
NOTHING_TO_PURGE: Final = b'{"filter":"of.nobody"}'
"""Asked to purge with what is no JSON, nats-server 2.15.1 purges everything."""


class Refusals:
    """The refusals that the server sent to a client."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def note(self, error: Exception) -> None:
        self.seen.append(str(error))

    def of(self, subject: str, what: str) -> bool:
        """Return whether publishing ("publish") or listening ("subscription") was refused there."""
        return any(f'violation for {what} to "{subject}"'.lower() in s.lower() for s in self.seen)


@asynccontextmanager
async def signed_in(url: str, credentials: str, refusals: Refusals) -> AsyncIterator[Client]:
    """A bare client of nats-py with this `.creds` text."""
    client = Client()
    try:
        await client.connect(
            url.split(","),
            user_credentials=RawCredentials(credentials),
            inbox_prefix=inbox_prefix(credentials),
            error_cb=refusals.note,
            allow_reconnect=False,
        )
        yield client
    finally:
        await client.close()


async def refused_to_publish(client: Client, refusals: Refusals, subjects: list[str]) -> set[str]:
    """Publish on each subject; return those that were refused."""
    for subject in subjects:
        body = NOTHING_TO_PURGE if ".PURGE." in subject else NOT_A_QUESTION
        await client.publish(subject, body, headers=dict(NOT_TO_BE_STORED))
    await answered(client)
    return {subject for subject in subjects if refusals.of(subject, "publish")}


async def refused_to_hear(client: Client, refusals: Refusals, subjects: list[str]) -> set[str]:
    """Listen on each subject; tell which of them were refused."""
    for subject in subjects:
        await client.subscribe(subject, cb=refusals.note)
    await answered(client)
    return {subject for subject in subjects if refusals.of(subject, "subscription")}


async def answered(client: Client) -> None:
    """Return when the server has heard it all; twice, for nats-py's PING overtakes the unsent."""
    await client.flush()
    await client.flush()
