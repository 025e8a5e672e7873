"""Who types, where, and at which gateway: what every command is handed."""

from collections.abc import Mapping
from pathlib import Path

import click
import msgspec
from rich.console import Console

from clients.cli.gateway import Gateway
from clients.cli.outbox import Outbox
from clients.cli.sign_in import Forge, SessionFile, local_stack, sign_in


class Person(msgspec.Struct):
    """Made by the group, handed to each command; a command of the operator's sees it too."""

    gateway: str
    token: str
    environment: Mapping[str, str]
    device: str
    sessions: SessionFile
    console: Console
    folder: Path

    async def sign_in(self, *, may_be_away: bool = False) -> Gateway:
        """Give the gateway meant, signed in; one that may be away is believed to know us still."""
        return await sign_in(
            gateway=self.gateway,
            token=self.token,
            file=self.sessions,
            folder=self.folder,
            device=self.device,
            may_be_away=may_be_away,
        )

    def outbox(self, gateway: Gateway) -> Outbox:
        """Give the commands kept for this gateway, beside the sessions."""
        return Outbox(self.sessions.path.with_name("outbox.sqlite"), gateway.url)

    def forge(self) -> Forge:
        """Give the forge of the stack that runs here, if one does."""
        stack = local_stack(self.folder)
        return stack.forge if stack else Forge()


person_of = click.make_pass_decorator(Person)
