"""A real SMTP server on loopback, that keeps what it is given."""

import asyncio
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


class MailServer:
    """`host`, `port`; `mails` are what came. `refusal` is said instead of taking a mail."""

    def __init__(self) -> None:
        self.host = "127.0.0.1"
        self.port = 0
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.refusal = ""
        self.login: tuple[bytes, bytes] | None = None

    async def handle_DATA(  # noqa: N802 - aiosmtpd finds it by this name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.refusal:
            return self.refusal
        content = envelope.content
        assert isinstance(content, bytes)
        mail = message_from_bytes(content, policy=default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 taken"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, login: Any
    ) -> AuthResult:
        assert isinstance(login, LoginPassword)
        return AuthResult(success=(login.login, login.password) == self.login)


@asynccontextmanager
async def mail_server(*, login: tuple[str, str] | None = None) -> AsyncIterator[MailServer]:
    kept = MailServer()
    options: dict[str, Any] = {}
    if login is not None:
        kept.login = (login[0].encode(), login[1].encode())
        options = {
            "authenticator": kept.authenticate,
            "auth_required": True,
            "auth_require_tls": False,
        }
    loop = asyncio.get_running_loop()
    visits: list[SMTP] = []

    def visit() -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that AUTH should have TLS: on loopback
            visits.append(SMTP(kept, hostname="mail.test", loop=loop, **options))
        return visits[-1]

    listener = await loop.create_server(visit, kept.host, 0)
    async with listener:
        kept.port = listener.sockets[0].getsockname()[1]
        try:
            yield kept
        finally:
            for each in visits:
                if each.transport is not None:
                    each.transport.abort()
            await asyncio.sleep(0)
