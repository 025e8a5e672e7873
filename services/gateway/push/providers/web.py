"""Web Push: RFC 8030 (the call), RFC 8291 (the encryption), RFC 8292 (VAPID, who calls).

The body is a declarative push message (WebKit's and the Push API's `web_push: 8030`): a browser
that knows them shows it without a service worker, others hand it to theirs. `mutable` and
`app_badge` stand in both places where browsers look for them.
"""

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import http_ece
import httpx
import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from infra.runtime.clock import Clock
from services.gateway.push.notification.address import (
    WebAddress,
    adds_a_card,
    decoded,
    is_allowed,
)
from services.gateway.push.notification.message import Message
from services.gateway.push.notification.outcome import (
    InvalidAddress,
    Outcome,
    Retry,
    is_dead_by_status,
    outcome_of,
    retry_after_seconds,
)

_CURVE: Final = ec.SECP256R1()
_SCALAR_BYTES: Final = 32
_VALID: Final = timedelta(hours=12)  # RFC 8292 §2: 24 hours at most
_RENEWED: Final = timedelta(hours=1)


class Vapid:
    """VAPID key of this installation, and the tokens signed with it."""

    def __init__(self, private_key: str, contact: str, clock: Clock) -> None:
        """`private_key` is base64url of 32 bytes; raises ValueError when it is not a key."""
        scalar = decoded(private_key)
        if len(scalar) != _SCALAR_BYTES:
            raise ValueError(f"a private key of P-256 has {_SCALAR_BYTES} bytes")
        self._key = ec.derive_private_key(int.from_bytes(scalar), _CURVE)
        self._contact = contact
        self._clock = clock
        self._tokens: dict[str, tuple[str, datetime]] = {}
        point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.public_key = urlsafe_b64encode(point).decode().rstrip("=")

    def authorization(self, endpoint: str) -> str:
        """Return the header for an endpoint; one token serves an origin for hours."""
        parts = urlsplit(endpoint)
        origin = f"{parts.scheme}://{parts.netloc}"
        token, expires_at = self._tokens.get(origin, ("", self._clock()))
        if expires_at - self._clock() < _RENEWED:
            expires_at = self._clock() + _VALID
            claims = {"aud": origin, "exp": int(expires_at.timestamp()), "sub": self._contact}
            token = jwt.encode(claims, self._key, algorithm="ES256")
            self._tokens[origin] = (token, expires_at)
        return f"vapid t={token}, k={self.public_key}"


class _Notification(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    title: str
    body: str
    navigate: str
    tag: str
    data: dict[str, str]
    mutable: bool  # hand it to the service worker first, which may close what is shown
    app_badge: int | None = None
    silent: bool = False


class _Declared(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    web_push: int
    notification: _Notification
    mutable: bool
    app_badge: int | None = None


class WebPush(NamedTuple):
    """Sends to the push services of browsers, of the listed hosts only."""

    client: httpx.AsyncClient
    vapid: Vapid
    hosts: Sequence[str]
    clock: Clock

    async def send(self, address: WebAddress, message: Message) -> Outcome:
        """Attempt once. 404 and 410 mean that the subscription is over."""
        if not is_allowed(address.endpoint, self.hosts):
            return InvalidAddress(0, "The push service is not on this server's list any more.")
        headers = {
            "TTL": str(message.seconds_left(self.clock())),
            "Urgency": "high" if message.is_urgent else "normal",
            "Topic": message.collapse,
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "Authorization": self.vapid.authorization(address.endpoint),
        }
        is_silent = message.is_withdrawal and not adds_a_card(address)
        body = encrypted(declared(message, is_silent=is_silent), address)
        try:
            answer = await self.client.post(address.endpoint, headers=headers, content=body)
        except httpx.TransportError as error:
            return Retry(0, type(error).__name__)
        return outcome_of(
            answer.status_code,
            answer.text,
            after_seconds=retry_after_seconds(answer.headers.get("retry-after", ""), self.clock()),
            is_dead=is_dead_by_status(answer.status_code),
        )


def declared(message: Message, *, is_silent: bool = False) -> bytes:
    """Return a message as a declarative push message.

    Browsers insist on something visible for every push, so a withdrawal replaces what is shown
    (same tag) without a sound. A service worker closes what has the tag `replaces`, then shows it.
    """
    shown = _Notification(
        title=message.headline,
        body=message.text,
        navigate=message.url,
        tag=message.collapse,
        data={**message.ids, "replaces": message.collapse},
        mutable=True,
        app_badge=message.badge,
        silent=is_silent,
    )
    push = _Declared(web_push=8030, notification=shown, mutable=True, app_badge=message.badge)
    return msgspec.json.encode(push)


def encrypted(content: bytes, address: WebAddress) -> bytes:
    """Encrypt for the subscription alone, with a key used once (RFC 8291)."""
    body: bytes = http_ece.encrypt(  # type: ignore[no-untyped-call]
        content,
        private_key=ec.generate_private_key(_CURVE),
        dh=decoded(address.keys.p256dh),
        auth_secret=decoded(address.keys.auth),
        version="aes128gcm",
    )
    return body
