"""Apple's push service. Source: Apple, "Handling notification responses from APNs"."""

import re
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from infra.runtime.clock import Clock, Entropy
from infra.simulators.push.http2 import Answer, Request

KEY_ID: Final = "ABC123DEFG"
TEAM_ID: Final = "DEF123GHIJ"
TOPIC: Final = "example.errand.app"

_PATH: Final = "/3/device/"
_TOKEN: Final = re.compile(r"[0-9a-f]{64}")
_NUMBER: Final = re.compile(r"[0-9]{1,10}")
_TYPES: Final = frozenset({"alert", "background"})
_PRIORITIES: Final = frozenset({"1", "5", "10"})
_MAX_BYTES: Final = 4096
_MAX_COLLAPSE_BYTES: Final = 64
_TOKEN_LASTS: Final = timedelta(hours=1)
_TOKEN_STAYS: Final = timedelta(minutes=20)


class Apple:
    """The devices of one app, and the one key that may push to them."""

    def __init__(self, entropy: Entropy, clock: Clock) -> None:
        self._entropy = entropy
        self._clock = clock
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._devices: dict[str, datetime | None] = {}
        self._provider_token = ""
        self._provider_token_seen_at = clock()
        self.provider_tokens = 0

    @property
    def private_key(self) -> bytes:
        """The .p8 file a provider downloads once."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def install(self) -> str:
        """Put the app on a device; return its token."""
        token = self._entropy(32).hex()
        self._devices[token] = None
        return token

    def remove(self, token: str) -> None:
        """Take the app off a device."""
        self._devices[token] = self._clock()

    def push(self, request: Request) -> tuple[str, Answer]:
        """Take a notification, or refuse it with Apple's status and reason."""
        token = request.path.removeprefix(_PATH)
        try:
            self._judge(token, request)
        except _Refused as refused:
            return token, refused.answer
        return token, Answer(200, headers={"apns-id": request.headers["apns-id"]})

    def _judge(self, token: str, request: Request) -> None:
        if request.method != "POST":
            raise _Refused(405, "MethodNotAllowed")
        self._authorize(request.headers.get("authorization", ""))
        _judge_headers(request.headers)
        if not _TOKEN.fullmatch(token) or token not in self._devices:
            raise _Refused(400, "BadDeviceToken")
        removed_at = self._devices[token]
        if removed_at is not None:
            raise _Refused(410, "Unregistered", timestamp=int(removed_at.timestamp() * 1000))
        if not request.body:
            raise _Refused(400, "PayloadEmpty")
        if len(request.body) > _MAX_BYTES:
            raise _Refused(413, "PayloadTooLarge")
        _judge_payload(request)

    def _authorize(self, authorization: str) -> None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _Refused(403, "MissingProviderToken")
        try:
            claims = jwt.decode(
                token,
                self._key.public_key(),
                algorithms=["ES256"],
                issuer=TEAM_ID,
                options={"require": ["iss", "iat"], "verify_iat": False},
            )
            key_id = jwt.get_unverified_header(token).get("kid")
        except jwt.InvalidTokenError:
            raise _Refused(403, "InvalidProviderToken") from None
        if key_id != KEY_ID:
            raise _Refused(403, "InvalidProviderToken")
        now = self._clock()
        if abs(now.timestamp() - claims["iat"]) > _TOKEN_LASTS.total_seconds():
            raise _Refused(403, "ExpiredProviderToken")
        if token != self._provider_token:
            is_too_soon = now - self._provider_token_seen_at < _TOKEN_STAYS
            if self._provider_token and is_too_soon:
                raise _Refused(429, "TooManyProviderTokenUpdates")
            self._provider_token, self._provider_token_seen_at = token, now
            self.provider_tokens += 1


class _Refused(Exception):
    def __init__(self, status: int, reason: str, **more: Any) -> None:  # noqa: ANN401 - JSON values
        super().__init__(reason)
        self.answer = Answer(status, msgspec.json.encode({"reason": reason, **more}))


def _judge_headers(headers: Any) -> None:  # noqa: ANN401 - a mapping of texts
    if not headers.get("apns-topic"):
        raise _Refused(400, "MissingTopic")
    if headers["apns-topic"] != TOPIC:
        raise _Refused(400, "TopicDisallowed")
    if not _is_uuid(headers.get("apns-id", "")):
        raise _Refused(400, "BadMessageId")
    if not _NUMBER.fullmatch(headers.get("apns-expiration", "")):
        raise _Refused(400, "BadExpirationDate")
    if headers.get("apns-push-type") not in _TYPES:
        raise _Refused(400, "InvalidPushType")
    if headers.get("apns-priority") not in _PRIORITIES:
        raise _Refused(400, "BadPriority")
    if headers["apns-push-type"] == "background" and headers["apns-priority"] != "5":
        raise _Refused(400, "BadPriority")
    if len(headers.get("apns-collapse-id", "").encode()) > _MAX_COLLAPSE_BYTES:
        raise _Refused(400, "BadCollapseId")


def _judge_payload(request: Request) -> None:
    try:
        aps = msgspec.json.decode(request.body, type=dict[str, Any])["aps"]
    except (msgspec.DecodeError, KeyError):
        raise _Refused(400, "BadPayload") from None
    is_background = request.headers["apns-push-type"] == "background"
    if is_background and aps != {"content-available": 1}:
        raise _Refused(400, "BadPayload")
    if not is_background and not aps.get("alert", {}).get("title"):
        raise _Refused(400, "BadPayload")


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
