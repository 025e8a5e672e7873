"""The description of a running stack: written when it is up, removed when it stops.

It is `stack.json` in the stack's directory, readable by its owner alone. A pointer to it, which
holds a path and no secret, is kept in the user's state directory, so that `errand` finds the stack
from any folder.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from events.protocol.local_stack import LocalForge, LocalStack, LocalStorage, StackPointer
from infra.local.keys import write_private
from infra.local.process.child import Announce
from infra.local.servers.provisioning import Servers
from infra.local.services import Forge, broker_url

_PRIVATE = 0o700


def describe_servers(servers: Servers) -> LocalStack:
    """Return what the description says of the servers; the gateway is not known yet."""
    storage = servers.storage
    return LocalStack(
        gateway="",
        operator_token=servers.keys.operator_token,
        nats=servers.nats_url,
        credentials=str(servers.home.secrets),
        event_keys=servers.keys.event_keys,
        events_unsigned_up_to=servers.keys.events_unsigned_up_to,
        postgres_url=servers.service_postgres_url,
        redis_url=servers.redis_url,
        storage=LocalStorage(
            endpoint_url=storage.endpoint,
            region=storage.region,
            bucket=storage.bucket,
            access_key_id=storage.key,
            secret_access_key=storage.secret,
        ),
        logs=str(servers.home.logs),
        pid=os.getpid(),
        directory=str(servers.home.directory),
    )


def describe_stack(
    servers: Servers, forge: Forge, *, gateway: str, model: str, sandbox: str
) -> LocalStack:
    """Return the whole description of a running stack."""
    return msgspec.structs.replace(
        describe_servers(servers),
        gateway=gateway,
        broker=broker_url(servers.ports),
        forge=LocalForge(url=forge.url, api_url=forge.api_url, token=forge.token),
        model=model,
        sandbox=sandbox,
    )


@contextmanager
def published(file: Path, description: LocalStack) -> Iterator[None]:
    """Keep the description in its file until the block ends."""
    write_private(file, msgspec.json.encode(description))
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


@contextmanager
def registered(
    stack_file: Path, environment: Mapping[str, str], announce: Announce
) -> Iterator[None]:
    """Point to a stack's `stack.json` until the block ends. Without a home nothing is kept."""
    state = environment.get("XDG_STATE_HOME") or f"{environment.get('HOME', '')}/.local/state"
    pointer = Path(state) / "errand" / "stacks" / f"{os.getpid()}.json"
    try:
        pointer.parent.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        write_private(pointer, msgspec.json.encode(StackPointer(file=str(stack_file))))
    except OSError as error:
        announce(
            f"`errand` finds this stack only in {stack_file.parents[1]} or a folder below it:"
            f" the pointer to it cannot be written ({error})."
        )
    try:
        yield
    finally:
        try:
            pointer.unlink(missing_ok=True)
        except OSError as error:
            announce(f"{pointer} cannot be removed: {error}")
