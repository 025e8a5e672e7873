"""Context of an operator's command, and the address of the log.

Callers: the commands that stand in the entry points `errand.commands` (pyproject.toml), which the
`errand` command loads without knowing them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import click
import msgspec
from rich.console import Console

from events.protocol.local_stack import LocalStack
from infra.log.event_key_settings import event_keys, make_event_keys
from infra.log.event_mac import EventKeys
from infra.log.nats_permissions import Role
from infra.runtime.settings import Misconfigured, read


class Operator(Protocol):
    """Context that `errand` hands to every command (`click.pass_obj`)."""

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of the process."""
        ...

    @property
    def folder(self) -> Path:
        """The folder the command was typed in."""
        ...

    def stack_here(self) -> LocalStack | None:
        """Return the stack that runs in that folder or one above it, if one does."""
        ...

    @property
    def console(self) -> Console:
        """The terminal to print to."""
        ...


class LogAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Address of the event log, the path of the credentials, and the writers' keys."""

    nats_url: str
    nats_credentials: str = ""
    event_keys: str = ""
    events_unsigned_up_to: int = 0

    def __repr__(self) -> str:
        return f"LogAddress(nats_url={self.nats_url!r}, …)"

    @property
    def keys(self) -> EventKeys:
        """The keys of the log's writers. Raises Misconfigured."""
        return make_event_keys(self.event_keys, self.events_unsigned_up_to)


def log_address(operator: Operator, role: Role) -> LogAddress:
    """Find the log: as NATS_URL, NATS_CREDENTIALS and EVENT_KEYS say, else that of the stack here.

    With a local stack the credentials are those of `role`. Raises click.UsageError saying what to
    set when there is neither.
    """
    try:
        if operator.environment.get("NATS_URL"):
            event_keys(operator.environment)  # says what is wrong with them before anything begins
            return read(LogAddress, operator.environment)
    except Misconfigured as error:
        raise click.UsageError(str(error)) from None
    stack = operator.stack_here()
    if stack is None or not stack.nats:
        raise click.UsageError(
            "The event log is not known. Set NATS_URL, NATS_CREDENTIALS (the path of a .creds "
            f"file of the role {role}) and EVENT_KEYS, or start a stack in this folder with "
            "`make run`."
        )
    return LogAddress(
        nats_url=stack.nats,
        nats_credentials=str(Path(stack.credentials) / f"{role}.creds"),
        event_keys=stack.event_keys,
        events_unsigned_up_to=stack.events_unsigned_up_to,
    )
