"""A browser maker's push service (RFC 8030) that insists on VAPID (RFC 8292).

It cannot read what passes through it: RFC 8291 encrypts for the browser alone; that it is encrypted
so is checked. Subscriptions are made by a call, as a browser makes them over a road of its own.
Asked as `*.push.apple.com` it refuses what Apple refuses besides, in Apple's words.
"""

import re
from base64 import urlsafe_b64decode
from binascii import Error as NotBase64
from datetime import timedelta
from typing import Final

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from infra.runtime.clock import Clock, Entropy
from infra.simulators.push.http2 import Answer, Request

_VAPID: Final = re.compile(r"vapid t=(?P<token>[\w.-]+), ?k=(?P<key>[\w-]+)")
_TOPIC: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_SECONDS: Final = re.compile(r"[0-9]{1,10}")
_URGENCIES: Final = frozenset({"very-low", "low", "normal", "high"})
_MAX_BYTES: Final = 4096
_MIN_BYTES: Final = (
    16 + 4 + 1 + 65 + 1 + 16
)  # header of RFC 8188 with a P-256 key id, delimiter, tag
_KEY_BYTES: Final = 65
_TAG_BYTES: Final = 16
_LONGEST: Final = timedelta(hours=24)
_APPLE: Final = re.compile(r"https://[a-z0-9-]+\.push\.apple\.com(?::[0-9]+)?")
_MAX_APPLE_SECONDS: Final = 30 * 24 * 3600
_CONTACT: Final = re.compile(
    r"(?:mailto:[^\s<>@]+@|https://)[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?P<top>[a-z][a-z0-9-]+)(?:[:/]\S*)?"
)
_NOBODYS: Final = frozenset({"example", "internal", "invalid", "local", "localhost", "test"})
_APPLE_REASONS: Final = {
    400: "BadWebPushRequest",
    401: "BadAuthorizationHeader",
    403: "BadJwtToken",
    404: "BadPath",
    405: "MethodNotAllowed",
    410: "Unregistered",
    413: "PayloadTooLarge",
    415: "BadWebPushRequest",
}


class Browsers:
    """Subscriptions, each bound to the key of whoever may push to it."""

    def __init__(self, entropy: Entropy, clock: Clock) -> None:
        self._entropy = entropy
        self._clock = clock
        self._keys: dict[str, str] = {}
        self._ended: set[str] = set()

    def subscribe(self, application_server_key: str) -> str:
        """Make a subscription; return its path."""
        path = f"/wp/{self._entropy(16).hex()}"
        self._keys[path] = application_server_key
        return path

    def unsubscribe(self, path: str) -> None:
        """End a subscription, as a browser does when its person says no."""
        self._ended.add(path)

    def push(self, request: Request) -> tuple[str, Answer]:
        """Take a message, or refuse it with the status the RFCs name."""
        path, answer = self._push(request)
        is_refused = answer.status in _APPLE_REASONS and not answer.body.startswith(b"{")
        if is_refused and _APPLE.fullmatch(request.origin):
            reason = _APPLE_REASONS[answer.status]
            answer = answer._replace(body=msgspec.json.encode({"reason": reason}))
        return path, answer

    def _push(self, request: Request) -> tuple[str, Answer]:
        if request.path not in self._keys:
            return request.path, Answer(404)
        if request.path in self._ended:
            return request.path, Answer(410)
        wrong = self._unauthorized(request) or _malformed(request) or _not_encrypted(request.body)
        if wrong is None and _APPLE.fullmatch(request.origin):
            wrong = _refused_by_apple(request)
        if wrong is not None:
            return request.path, wrong
        location = f"{request.origin}/message/{self._entropy(8).hex()}"
        return request.path, Answer(201, headers={"location": location})

    def _unauthorized(self, request: Request) -> Answer | None:
        said = _VAPID.fullmatch(request.headers.get("authorization", ""))
        if said is None:
            return Answer(401, b"no vapid authorization")
        if said["key"] != self._keys[request.path]:
            return Answer(403, b"the subscription is of another key")
        now = self._clock()
        try:
            claims = jwt.decode(
                said["token"],
                _public_key(said["key"]),
                algorithms=["ES256"],
                audience=request.origin,
                options={"require": ["exp", "aud", "sub"], "verify_exp": False},
            )
        except (jwt.InvalidTokenError, ValueError, NotBase64) as error:
            return Answer(403, f"vapid token: {error}".encode())
        left = claims["exp"] - now.timestamp()
        if not 0 < left <= _LONGEST.total_seconds():
            return Answer(403, b"vapid token: exp is past, or more than a day away")
        if not str(claims["sub"]).startswith(("mailto:", "https:")):
            return Answer(403, b"vapid token: sub is no contact")
        if _APPLE.fullmatch(request.origin) and not _is_public(str(claims["sub"])):
            return Answer(403, b"vapid token: sub has no public host")
        return None


def _malformed(request: Request) -> Answer | None:
    headers = request.headers
    if request.method != "POST":
        return Answer(405)
    if not _SECONDS.fullmatch(headers.get("ttl", "")):
        return Answer(400, b"no TTL")
    if headers.get("urgency", "normal") not in _URGENCIES:
        return Answer(400, b"Urgency")
    if "topic" in headers and not _TOPIC.fullmatch(headers["topic"]):
        return Answer(400, b"Topic")
    if headers.get("content-encoding") != "aes128gcm":
        return Answer(415, b"Content-Encoding")
    if not _MIN_BYTES <= len(request.body) <= _MAX_BYTES:
        return Answer(413, b"length")
    return None


def _not_encrypted(body: bytes) -> Answer | None:
    """Refuse what is not one record of RFC 8188 whose key id is a key of P-256 (RFC 8291 §4)."""
    size, length = int.from_bytes(body[16:20]), body[20]
    record = body[21 + length :]
    if length != _KEY_BYTES or not _TAG_BYTES < len(record) <= size:
        return Answer(400, b"not one record of aes128gcm")
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), body[21 : 21 + length])
    except ValueError:
        return Answer(400, b"the sender's key is no point of P-256")
    return None


def _refused_by_apple(request: Request) -> Answer | None:
    if int(request.headers["ttl"]) > _MAX_APPLE_SECONDS:
        return Answer(400, b'{"reason":"BadTtl"}')
    if not request.headers.get("topic", "x"):
        return Answer(400, b'{"reason":"BadWebPushTopic"}')
    return None


def _is_public(contact: str) -> bool:
    found = _CONTACT.fullmatch(contact.lower())
    return found is not None and found["top"] not in _NOBODYS


def _public_key(spelled: str) -> ec.EllipticCurvePublicKey:
    point = urlsafe_b64decode(spelled + "=" * (-len(spelled) % 4))
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
