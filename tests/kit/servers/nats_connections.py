"""Connections to real NATS servers, in the roles of the services and of a worker."""

from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from events import History
from events.protocol.readers import reader_name
from infra.log.event_mac import EventKeys
from infra.log.jetstream import Connection, connect
from infra.log.nats_permissions import Role, WorkerGrant
from infra.runtime.clock import utc_now


class NatsServers(Protocol):
    """The addresses and credentials that signing in takes, for one server or for three."""

    @property
    def nats_url(self) -> str: ...

    def credentials(self, role: Role) -> Path: ...

    def admin_credentials(self) -> Path: ...

    @property
    def event_keys(self) -> EventKeys: ...

    def worker_credentials(self, grant: WorkerGrant, *, expires: datetime) -> str: ...


def as_role(
    servers: NatsServers, role: Role, *, keys: EventKeys | None = None
) -> AbstractAsyncContextManager[Connection]:
    return connect(
        servers.nats_url,
        credentials=servers.credentials(role),
        name=role,
        keys=keys or servers.event_keys,
    )


def as_admin(servers: NatsServers) -> AbstractAsyncContextManager[Connection]:
    return connect(
        servers.nats_url,
        credentials=servers.admin_credentials(),
        name="admin",
        inbox_prefix="_INBOX",
        keys=servers.event_keys,
    )


def as_worker(
    servers: NatsServers, history: History, attempt: int = 1, **lifetime: Any
) -> AbstractAsyncContextManager[Connection]:
    """With a worker's rights, and with keys that no worker has: any event serves a test."""
    grant = WorkerGrant(history.account, history.task, reader_name(history.task, attempt))
    expires = utc_now() + (timedelta(**lifetime) if lifetime else timedelta(hours=1))
    credentials = servers.worker_credentials(grant, expires=expires)
    return connect(
        servers.nats_url, credentials=credentials, name="worker", keys=servers.event_keys
    )
