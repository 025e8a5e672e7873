"""Push services to send to, and devices that are pushed to: a browser that can read its pushes."""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from infra.runtime.clock import Clock, utc_now
from infra.simulators.push import apns
from infra.simulators.push.providers import Fault, Providers, ReceivedPush, running_providers
from services.gateway.push.notification.address import WebAddress, WebKeys
from services.gateway.push.notification.message import Message
from services.gateway.push.settings import PushSettings

VAPID_KEY = urlsafe_b64encode(b"\x01" * 32).decode().rstrip("=")
DAY = timedelta(days=1)
APPLE = "web.push.apple.com"


def base64url(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")


def unbase64url(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Browser:
    """A browser with a subscription: it alone holds the key that reads its pushes (RFC 8291)."""

    def __init__(
        self, endpoint: str, key: ec.EllipticCurvePrivateKey | None = None, auth: bytes = b""
    ) -> None:
        self.endpoint = endpoint
        self._key = key or ec.generate_private_key(ec.SECP256R1())
        self._auth = auth or secrets.token_bytes(16)

    @property
    def subscription(self) -> dict[str, Any]:
        """As `PushSubscription.toJSON` gives it."""
        keys = {"p256dh": base64url(self._point), "auth": base64url(self._auth)}
        return {"endpoint": self.endpoint, "expirationTime": None, "keys": keys}

    @property
    def _point(self) -> bytes:
        return self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def decrypt(self, body: bytes) -> bytes:
        """Read one record of RFC 8188, by the letter of RFC 8291 §3.4."""
        salt, size, length = body[:16], int.from_bytes(body[16:20]), body[20]
        sender, record = body[21 : 21 + length], body[21 + length :]
        assert len(record) <= size
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
        shared = self._key.exchange(ec.ECDH(), public)
        info = b"WebPush: info\x00" + self._point + sender
        secret = _hkdf(shared, salt=self._auth, info=info, length=32)
        key = _hkdf(secret, salt=salt, info=b"Content-Encoding: aes128gcm\x00", length=16)
        nonce = _hkdf(secret, salt=salt, info=b"Content-Encoding: nonce\x00", length=12)
        padded = AESGCM(key).decrypt(nonce, record, None).rstrip(b"\x00")
        assert padded.endswith(b"\x02"), "the last record ends in 2"
        return padded[:-1]

    def read(self, taken: ReceivedPush) -> dict[str, Any]:
        """Read a push as the JSON it is, by the strictest reading of a declarative push message."""
        read: dict[str, Any] = msgspec.json.decode(self.decrypt(taken.request.body))
        shown = msgspec.convert(read, _Declarative).notification
        assert shown.mutable is read["mutable"]
        assert read.get("app_badge") == shown.app_badge, "current and older WebKit read the same"
        assert urlsplit(shown.navigate).scheme in ("http", "https"), "an address without a base"
        return read


class _Shown(msgspec.Struct, forbid_unknown_fields=True):
    title: Annotated[str, msgspec.Meta(min_length=1)]
    body: str
    navigate: str
    tag: Annotated[str, msgspec.Meta(min_length=1)]
    data: dict[str, str]
    mutable: bool
    app_badge: Annotated[int, msgspec.Meta(ge=0)] | None = None
    silent: bool = False


class _Declarative(msgspec.Struct, forbid_unknown_fields=True):
    """A declarative push message, and nothing else."""

    web_push: Literal[8030]
    notification: _Shown
    mutable: bool
    app_badge: Annotated[int, msgspec.Meta(ge=0)] | None = None


def web_address(browser: Browser) -> WebAddress:
    """The address of a browser, as a gateway keeps it."""
    keys = browser.subscription["keys"]
    return WebAddress(browser.endpoint, WebKeys(keys["p256dh"], keys["auth"]))


def _hkdf(secret: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


class PushWorld:
    """The push services, and what an operator sets to send through them."""

    def __init__(self, services: Providers, origin: str, authority: Path) -> None:
        self.services = services
        self.origin = origin
        self._authority = authority

    @property
    def settings(self) -> PushSettings:
        return PushSettings(**self.variables)

    @property
    def variables(self) -> dict[str, str]:
        """Every setting of push, as a gateway's Settings take them."""
        directory = self._authority.parent
        key, account = directory / "apns.p8", directory / "fcm.json"
        key.write_bytes(self.services.apple.private_key)
        account.write_bytes(self.services.google.service_account(self.origin))
        return {
            "vapid_private_key": VAPID_KEY,
            "vapid_contact": "mailto:ada@example.com",
            "web_push_hosts": f"{self.origin.removeprefix('https://')} {self._apple_host}",
            "apns_url": self.origin,
            "apns_key": str(key),
            "apns_key_id": apns.KEY_ID,
            "apns_team_id": apns.TEAM_ID,
            "apns_topic": apns.TOPIC,
            "fcm_url": self.origin,
            "fcm_service_account": str(account),
            "push_ca_file": str(self._authority),
        }

    def browser(self, application_server_key: str) -> Browser:
        """A browser that has said yes to whoever has this key."""
        return Browser(self.origin + self.services.browsers.subscribe(application_server_key))

    def apple_browser(self, application_server_key: str) -> Browser:
        """A browser of Apple's; who pushes to it has to find `APPLE` here (`apple_is_here`)."""
        path = self.services.browsers.subscribe(application_server_key)
        return Browser(f"https://{self._apple_host}{path}")

    @property
    def _apple_host(self) -> str:
        return f"{APPLE}:{urlsplit(self.origin).port}"

    def order(self, service: Any, **more: Any) -> None:
        self.services.order(Fault(service=service, **more))

    def to(self, browser: Browser) -> list[dict[str, Any]]:
        """Every push taken for a browser, read."""
        path = urlsplit(browser.endpoint).path
        return [browser.read(taken) for taken in self.services.taken if taken.address == path]


@asynccontextmanager
async def push_world(directory: Path, clock: Clock = utc_now) -> AsyncIterator[PushWorld]:
    async with running_providers(directory, entropy=secrets.token_bytes, clock=clock) as running:
        yield PushWorld(running.services, running.origin, running.authority)


class MovableClock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 26, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


def message(now: datetime, **changes: Any) -> Message:
    known: dict[str, Any] = {
        "push": "0198c5a2-6b1e-5d3f-9a51-3c6f0d2b8e11",
        "push_class": "needs_input",
        "collapse": "task_" + "a" * 26,
        "headline": "A question for you",
        "text": "Fix the parser",
        "url": "https://errand.example/t/task_" + "a" * 26 + "?ask=req_1",
        "expires_at": now + DAY,
        "task": "task_" + "a" * 26,
        "version": 7,
        "kind": "question",
        "request": "req_1",
        "badge": 3,
    }
    return Message(**{**known, **changes})


def header(taken: ReceivedPush, *names: str) -> Mapping[str, str]:
    return {name: taken.request.headers[name] for name in names}
