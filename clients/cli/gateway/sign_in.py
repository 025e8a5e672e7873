"""Selection of the gateway, and sign-in.

In this order: `--gateway` (or ERRAND_URL) with ERRAND_TOKEN; the stack that runs here
(local_stacks.py); the gateway last paired with (`errand pair`). ERRAND_TOKEN is best an API key:
an access token ends in minutes.

What is kept is a session: an access token, and the refresh token that is traded for the next two.
Several `errand` at once share it: who renews it holds a lock, and the others find it renewed.
"""

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from clients.cli.errors import CliError
from clients.cli.gateway.client import Gateway, SignedOut, Unreachable
from events.protocol.api.sessions import (
    Me,
    PairingOffer,
    PairingRequest,
    Renewal,
    Session,
    SignIn,
    SignInDevice,
)
from events.protocol.local_stack import LocalStack

_SPARE_SECONDS = 30.0


class StoredSession(msgspec.Struct, frozen=True):
    """The part of a session that is stored."""

    token: str
    refresh_token: str
    expires_at: datetime

    @property
    def is_fresh(self) -> bool:
        """Return whether the access token is still valid for a while, by this machine's clock."""
        return self.expires_at.timestamp() - time.time_ns() / 1e9 > _SPARE_SECONDS


class Sessions(msgspec.Struct):
    """Stored sessions by gateway, and the gateway last used."""

    sessions: dict[str, StoredSession] = {}
    last: str = ""


class SessionFile:
    """File of the sessions, readable by its owner only."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Sessions:
        """Return the sessions; none when there is no file or it is damaged."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Sessions)
        except (OSError, msgspec.DecodeError):
            return Sessions()

    def keep(self, gateway: str, session: StoredSession) -> None:
        """Save one session, atomically."""
        sessions = self.read()
        sessions.sessions[gateway] = session
        sessions.last = gateway
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self.path.with_suffix(f".{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(sessions)))
        draft.replace(self.path)

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Hold the lock under which one `errand` process at a time renews a session."""
        descriptor = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            await asyncio.to_thread(fcntl.flock, descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


class TokenRenewer:
    """Token source that renews the access token of one session."""

    def __init__(self, url: str, file: SessionFile) -> None:
        self._url = url
        self._file = file

    async def __call__(self, *, refused: str = "") -> str:
        """Return a fresh token other than `refused`. Raises SignedOut, Unreachable."""
        kept = self._kept()
        if not kept.is_fresh or kept.token == refused:
            async with self._file.locked():
                kept = self._kept()  # perhaps renewed while we waited
                if not kept.is_fresh or kept.token == refused:
                    renewal = Renewal(kept.refresh_token)
                    kept = await _post(self._url, "/v1/sessions/refresh", renewal)
                    self._file.keep(self._url, kept)
        return kept.token

    def _kept(self) -> StoredSession:
        kept = self._file.read().sessions.get(self._url)
        if kept is None:
            raise SignedOut(
                f"You are not signed in to {self._url}.", "Sign in with `errand pair URL CODE`."
            )
        return kept


async def redeem(gateway: str, code: str, device: str) -> StoredSession:
    """Exchange a pairing code for a session. Raises CliError when the code is not valid."""
    return await _post(gateway, "/v1/sessions", SignIn(code, SignInDevice(device, "cli")))


async def _post(url: str, path: str, body: SignIn | Renewal) -> StoredSession:
    async with Gateway(url) as gateway:
        session = await gateway.post(path, body, Session)
    return StoredSession(session.token, session.refresh_token, session.expires_at)


async def sign_in(
    *,
    gateway: str,
    token: str,
    file: SessionFile,
    stack: LocalStack | None,
    device: str,
    allow_unreachable: bool = False,
) -> Gateway:
    """Return a signed-in gateway client. Raises CliError with the remedy when there is none.

    With `allow_unreachable` a gateway that does not answer is accepted if a token is stored.
    """
    sessions = file.read()
    url = (gateway or (stack.gateway if stack else "") or sessions.last).rstrip("/")
    if not url:
        raise CliError(
            "No gateway is known on this machine.",
            "`make run` starts one on this machine; `errand pair URL CODE` signs in to another.",
        )
    if token and await _is_valid(Gateway(url, token), allow_unreachable=allow_unreachable):
        return Gateway(url, token)
    kept = sessions.sessions.get(url)
    renewal = TokenRenewer(url, file)
    if not token and kept:
        asked = Gateway(url, kept.token, renew=renewal)
        if await _is_valid(asked, allow_unreachable=allow_unreachable):
            return Gateway(url, kept.token, renew=renewal)
    if stack is None or stack.gateway.rstrip("/") != url or not stack.operator_token:
        raise CliError(
            f"You are not signed in to {url}.",
            f"Create a pairing code there, then run: errand pair {url} CODE",
        )
    async with Gateway(url, stack.operator_token) as operator:
        offer = await operator.post("/v1/pairings", PairingRequest(), PairingOffer)
    fresh = await redeem(url, offer.code, device)
    file.keep(url, fresh)
    return Gateway(url, fresh.token, renew=renewal)


async def _is_valid(gateway: Gateway, *, allow_unreachable: bool) -> bool:
    async with gateway as asked:
        try:
            await asked.get("/v1/me", Me)
        except SignedOut:
            return False
        except Unreachable:
            if not allow_unreachable:
                raise
        return True
