"""Permissions on NATS: the table of roles, and what one attempt of one task is granted.

`infra.log.nats_users` signs these into users; `tests/stack/local/test_nats_users.py` tries what
they refuse.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

Role = Literal["gateway", "scheduler", "projector", "operator", "analytics"]

ROLES: Final[tuple[Role, ...]] = ("gateway", "scheduler", "projector", "operator", "analytics")

_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_API: Final = "$JS.API"
_NEXT: Final = f"{_API}.CONSUMER.MSG.NEXT.EVENTS"


MAX_WORKER_MESSAGE_BYTES: Final = 256 * 1024
"""The longest message of a worker, headers included: what the log takes. NATS refuses more."""


class Permissions(NamedTuple):
    """The subjects a user may publish to and subscribe to; all others are refused."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


class WorkerGrant(NamedTuple):
    """The part of the log one attempt of one task needs: its account, its task, its own reader."""

    account: str
    task: str
    reader: str


_READ: Final = (
    f"{_API}.INFO",
    f"{_API}.STREAM.NAMES",
    f"{_API}.STREAM.INFO.EVENTS",
    f"{_API}.STREAM.MSG.GET.EVENTS",
    f"{_API}.DIRECT.GET.EVENTS",
    f"{_API}.DIRECT.GET.EVENTS.>",
)
_FOLLOW: Final = (
    f"{_API}.CONSUMER.CREATE.EVENTS",
    f"{_API}.CONSUMER.CREATE.EVENTS.>",
    f"{_API}.CONSUMER.DURABLE.CREATE.EVENTS.>",
    f"{_API}.CONSUMER.INFO.EVENTS.*",
    f"{_NEXT}.*",
)
_KEEP: Final = (*_FOLLOW, f"{_API}.CONSUMER.DELETE.EVENTS.*", "$JS.ACK.EVENTS.>")
_PROVISION: Final = (
    f"{_API}.INFO",
    *(
        f"{_API}.STREAM.{verb}.{stream}"
        for verb in ("CREATE", "UPDATE", "INFO", "PURGE", "MSG.GET")
        for stream in ("EVENTS", "DEADLETTERS")
    ),
    f"{_API}.STREAM.NAMES",
    f"{_API}.STREAM.LIST",
    f"{_API}.STREAM.MSG.DELETE.DEADLETTERS",
    f"{_API}.DIRECT.GET.>",
    *(f"{_API}.CONSUMER.{verb}.>" for verb in ("CREATE", "DURABLE.CREATE", "INFO", "DELETE")),
    *(f"{_API}.CONSUMER.{verb}.*" for verb in ("NAMES", "LIST")),
    f"{_API}.CONSUMER.MSG.NEXT.>",
)
_INBOX: Final = "_INBOX.>"

PERMISSIONS: Final[Mapping[Role, Permissions]] = {
    "gateway": Permissions(("events.>", "dead.push", *_READ, *_FOLLOW), (_INBOX,)),
    "scheduler": Permissions(("events.>", "dead.>", *_READ, *_KEEP), (_INBOX, "beat.>")),
    "projector": Permissions(("dead.>", *_READ, *_KEEP), (_INBOX, "live.>")),
    "operator": Permissions(("events.>", "dead.>", *_PROVISION), (_INBOX, "events.>", "dead.>")),
    "analytics": Permissions((*_READ, *_FOLLOW), (_INBOX,)),
}
"""Permissions per service in account CORE. The operator provisions and erases; analytics reads."""

SERVICES: Final[Mapping[str, str]] = {
    "events.>": "Singleton",
    "beat.>": "Singleton",
    "live.>": "Singleton",
    f"{_NEXT}.*": "Stream",
}
"""The subjects of CORE that account WORKERS may reach, and the kind of answer CORE gives."""


def worker_permissions(grant: WorkerGrant) -> Permissions:
    """Return a worker's permissions: its own subjects, its own reader, its own inbox; nothing else.

    Raises ValueError when a part of the grant is more than one plain word, as a wildcard would be.
    """
    for word in grant:
        if not _PLAIN.fullmatch(word):
            raise ValueError(f"{word!r} is not a plain word and cannot be granted.")
    subject = f"{grant.account}.{grant.task}"
    return Permissions(
        publish=(
            f"events.{subject}",
            f"beat.{subject}",
            f"live.{subject}",
            f"{_NEXT}.{grant.reader}",
        ),
        subscribe=(f"_INBOX_{grant.reader}.>",),
    )
