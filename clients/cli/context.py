"""Context of every command: gateway, sessions, console and current folder."""

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
from clients.cli.repository.sent_repositories import RepositoryRegistry
from clients.cli.stream.outbox import Outbox
from clients.cli.view.event_view import plain
from events.protocol.local_stack import LocalForge, LocalStack


class CliContext(msgspec.Struct):
    """Context that the root command creates and passes to each command, also an operator's."""

    gateway: str
    token: str
    environment: Mapping[str, str]
    device: str
    sessions: SessionFile
    console: Console
    folder: Path
    stack_directory: str = ""
    followed: str = ""
    """The task being followed, for the message after Ctrl-C."""
    _stack: LocalStack | None = None
    _has_looked: bool = False

    async def sign_in(self, *, allow_unreachable: bool = False) -> Gateway:
        """Return a signed-in gateway client; see `clients.cli.gateway.sign_in.sign_in`."""
        return await sign_in(
            gateway=self.gateway,
            token=self.token,
            file=self.sessions,
            stack=self.stack(),
            device=self.device,
            allow_unreachable=allow_unreachable,
        )

    def outbox(self, gateway: Gateway) -> Outbox:
        """Return the outbox of this gateway."""
        return Outbox(self.sessions.path.with_name("outbox.sqlite"), gateway.url)

    def sent(self) -> RepositoryRegistry:
        """Return the registry of repositories sent to the local forge."""
        return RepositoryRegistry(self.sessions.path.with_name("repositories.json"))

    def path(self, text: str) -> Path:
        """Return a path as typed in the current folder."""
        return self.folder / Path(text).expanduser()

    def stack(self) -> LocalStack | None:
        """Return the local stack, if one runs. Raises CliError when the one given does not."""
        if not self._has_looked:
            self._stack, self._has_looked = self._find_stack(), True
        return self._stack

    def stack_here(self) -> LocalStack | None:
        """Return the stack that --stack names, or that runs in this folder or one above it."""
        if self.stack_directory:
            return named_stack(self.path(self.stack_directory))
        return local_stack(self.folder)

    def forge(self) -> LocalForge:
        """Return the forge of the local stack, empty if none runs."""
        stack = self.stack()
        return stack.forge if stack else LocalForge()

    def notify(self, note: str) -> None:
        """Print a note to stderr."""
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
            self.notify(
                f"{len(running)} local stacks are running; using the newest, in {newest.directory}."
                " --stack selects another."
            )
        elif paired and not any(is_same_gateway(s.gateway, paired) for s in running):
            self.notify(
                f"using the local stack in {newest.directory};"
                f" `--gateway {paired}` selects the gateway you paired with."
            )
        return newest


pass_cli_context = click.make_pass_decorator(CliContext)
