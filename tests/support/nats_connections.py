"""Connections to the real NATS server, in the roles of the services and of a worker."""

from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

from events import History
from infra.clock import utc_now
from infra.jetstream import Connection, connect, reader_name
from infra.nats_permissions import Role, WorkerGrant
from tests.support.stack import RealServers


def as_role(servers: RealServers, role: Role) -> AbstractAsyncContextManager[Connection]:
    return connect(servers.nats_url, credentials=servers.credentials(role), name=role)


def as_admin(servers: RealServers) -> AbstractAsyncContextManager[Connection]:
    return connect(
        servers.nats_url,
        credentials=servers.admin_credentials(),
        name="admin",
        inbox_prefix="_INBOX",
    )


def as_worker(
    servers: RealServers, history: History, attempt: int = 1, **lifetime: Any
) -> AbstractAsyncContextManager[Connection]:
    grant = WorkerGrant(history.account, history.task, reader_name(history.task, attempt))
    expires = utc_now() + (timedelta(**lifetime) if lifetime else timedelta(hours=1))
    credentials = servers.worker_credentials(grant, expires=expires)
    return connect(servers.nats_url, credentials=credentials, name="worker")
