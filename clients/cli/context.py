"""Who types, where, and at which gateway: what every command is handed."""

from collections.abc import Mapping
from pathlib import Path

import click
import msgspec
from rich.console import Console

from clients.cli.gateway.client import Gateway
from clients.cli.gateway.sign_in import SessionFile, sign_in
from clients.cli.local_stacks import (
    is_same_gateway,
    local_stack,
    named_stack,
    running_stacks,
)
from clients.cli.repository.sent_repositories import SentRepositories
from clients.cli.stream.outbox import Outbox
from clients.cli.view.event_view import plain
from events.protocol.local_stack import LocalForge, LocalStack


class Person(msgspec.Struct):
    """Made by the group, handed to each command; a command of the operator's sees it too."""

    gateway: str
    token: str
    environment: Mapping[str, str]
    device: str
    sessions: SessionFile
    console: Console
    folder: Path
    stack_directory: str = ""
    followed: str = ""
    """The task being followed, for whoever is told that the following was broken off."""
    _stack: LocalStack | None = None
    _has_looked: bool = False

    async def sign_in(self, *, may_be_away: bool = False) -> Gateway:
        """Give the gateway meant, signed in; one that may be away is believed to know us still."""
        return await sign_in(
            gateway=self.gateway,
            token=self.token,
            file=self.sessions,
            stack=self.stack(),
            device=self.device,
            may_be_away=may_be_away,
        )

    def outbox(self, gateway: Gateway) -> Outbox:
        """Give the commands kept for this gateway, beside the sessions."""
        return Outbox(self.sessions.path.with_name("outbox.sqlite"), gateway.url)

    def sent(self) -> SentRepositories:
        """Give what is known of the repositories sent to the local forge, beside the sessions."""
        return SentRepositories(self.sessions.path.with_name("repositories.json"))

    def path(self, text: str) -> Path:
        """Read a path as typed here."""
        return self.folder / Path(text).expanduser()

    def stack(self) -> LocalStack | None:
        """Find the stack meant, if one runs here. Raises Trouble when the one named does not."""
        if not self._has_looked:
            self._stack, self._has_looked = self._find_stack(), True
        return self._stack

    def stack_here(self) -> LocalStack | None:
        """Return the stack that --stack names, or that runs in this folder or one above it."""
        if self.stack_directory:
            return named_stack(self.path(self.stack_directory))
        return local_stack(self.folder)

    def forge(self) -> LocalForge:
        """Give the forge of the stack that runs here, if one does."""
        stack = self.stack()
        return stack.forge if stack else LocalForge()

    def tell(self, note: str) -> None:
        """Say something beside the output, so that a pipe does not get it."""
        click.echo(f"errand: {plain(note)}", err=True)

    def _find_stack(self) -> LocalStack | None:
        if self.stack_directory:
            return named_stack(self.path(self.stack_directory))
        here = local_stack(self.folder)
        if self.gateway:
            found = [here] if here else []
            found += running_stacks(self.environment)
            return next((s for s in found if is_same_gateway(s.gateway, self.gateway)), None)
        if here is not None:
            return here
        running = running_stacks(self.environment)
        if not running:
            return None
        newest, paired = running[0], self.sessions.read().last
        if len(running) > 1:
            self.tell(
                f"{len(running)} stacks run here; this is the newest, of {newest.directory}."
                " --stack names another."
            )
        elif paired and not any(is_same_gateway(s.gateway, paired) for s in running):
            self.tell(
                f"this is the stack that runs here, of {newest.directory};"
                f" `--gateway {paired}` is the gateway you paired with."
            )
        return newest


person_of = click.make_pass_decorator(Person)
