"""Sign-in by mail: a link that works once, for ten minutes.

The response is the same, at the same speed, whether or not the address is known here: the
request only puts the address in a queue, and callers cannot observe what the loop does with it.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from email.message import EmailMessage
from typing import Final, Literal, NamedTuple

import aiosmtplib
import msgspec

from infra.runtime.clock import Clock
from infra.runtime.telemetry import logger
from services.gateway.accounts import attempt_limiter
from services.gateway.accounts.sign_in.pairing import Pairings
from services.gateway.problems import Refused, refused, unavailable
from services.gateway.stores.database import Connection, Pool, across_accounts

_WAITING: Final = 200
_SEND_SECONDS: Final = 20.0
_HOUR: Final = timedelta(hours=1)
_LINKS_PER_HOUR: Final = 10

_KNOWN = """
    SELECT p.account, p.person, a.name FROM accounts.person AS p
    JOIN accounts.account AS a USING (account)
    WHERE p.email = $1 AND p.removed_at IS NULL ORDER BY p.created_at LIMIT 10
"""
_LATELY = """
    SELECT count(*) FROM accounts.pairing WHERE email = $1 AND created_at > $2
"""
_log = logger(__name__)


class MailSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The SMTP server. Without a host no mail is sent."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    username: str
    password: str
    sender: str

    def __repr__(self) -> str:
        return f"MailTerms(host={self.host!r}, …)"


class _Link(NamedTuple):
    account: str
    url: str
    code: str


class Mail:
    """Queues requests for a link and mails them from its loop. Links lead to `public_url`."""

    def __init__(
        self,
        pool: Pool,
        terms: MailSettings,
        *,
        pairings: Pairings,
        public_url: str,
        is_open: bool,
        clock: Clock,
    ) -> None:
        self._pool = pool
        self._terms = terms
        self._pairings = pairings
        self._url = f"{public_url.rstrip('/')}/sign-in/mail"
        self._is_open = is_open
        self._clock = clock
        self._addresses: asyncio.Queue[str] = asyncio.Queue(_WAITING)

    @property
    def is_configured(self) -> bool:
        """Return whether this installation sends mail."""
        return bool(self._terms.host and self._terms.sender)

    async def ask(self, email: str, *, source: str) -> None:
        """Queue a request for a link; `email` is well-formed, `source` the client's address.

        Raises Refused: 409 when mail is not configured, 429 too often, 503 when the queue is full.
        """
        if not self.is_configured:
            raise refused(
                409,
                "mail_off",
                "This server sends no mail (SMTP_HOST and SMTP_FROM are not set). Sign in with a "
                "pairing code.",
            )
        await attempt_limiter.count(self._pool, source, self._clock(), kind="mail")
        try:
            self._addresses.put_nowait(email)
        except asyncio.QueueFull:
            raise unavailable(
                "Many mails are waiting to be sent.", retry_after_seconds=30
            ) from None

    async def run(self, stopping: asyncio.Event) -> None:
        """Send queued mails until stopped. A mail that cannot be sent is dropped."""
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(self._send_each(stopping))
            await stopping.wait()
            sending.cancel()

    async def _send_each(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():  # `wait_for`, in what we send with, may lose a cancellation
            email = await self._addresses.get()
            try:
                async with across_accounts(self._pool) as connection:
                    links = await self._links(connection, email)
                if links:
                    await self._send(email, links)
            except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
                _log.warning("mail.not_sent", error=type(error).__name__)
            except Refused as refusal:
                _log.warning("mail.not_sent", error=refusal.problem.code)

    async def _links(self, connection: Connection, email: str) -> list[_Link]:
        """Create a link for each account that knows the address."""
        since = self._clock() - _HOUR
        if await connection.fetchval(_LATELY, email, since) >= _LINKS_PER_HOUR:
            return []
        rows = await connection.fetch(_KNOWN, email)
        places = [(row["account"], row["person"], row["name"]) for row in rows]
        if not places and self._is_open:
            places = [(None, None, "a new account")]
        made = []
        for account, person, name in places:
            codes = await self._pairings.link(connection, email, account, person)
            made.append(_Link(name, f"{self._url}#{codes.link}", codes.typed))
        return made

    async def _send(self, email: str, links: Sequence[_Link]) -> None:
        terms = self._terms
        await aiosmtplib.send(
            letter(terms.sender, email, links),
            hostname=terms.host,
            port=terms.port,
            username=terms.username or None,
            password=terms.password or None,
            use_tls=terms.security == "tls",
            start_tls=terms.security == "starttls",
            timeout=_SEND_SECONDS,
        )


def letter(sender: str, email: str, links: Sequence[_Link]) -> EmailMessage:
    """Return the mail: plain text, one link and one code per account."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = email
    message["Subject"] = "Sign in to Errand"
    message["Auto-Submitted"] = "auto-generated"
    parts = ["Open the address on the device you want to sign in, or type the code in the app:\n"]
    for link in links:
        if len(links) > 1:
            parts.append(f"As a member of {link.account}:")
        parts.append(f"{link.url}\n\nCode: {link.code}\n")
    parts.append(
        "They work once, for ten minutes. If you did not ask for them, do nothing: without link "
        "and code nobody comes in. Nobody of this server ever asks you for the code.\n"
    )
    message.set_content("\n".join(parts))
    return message
