"""A browser maker's push service (RFC 8030) that insists on VAPID (RFC 8292).

It cannot read what passes through it: RFC 8291 encrypts for the browser alone. Subscriptions are
made by a call, as a browser makes them over a road of its own.
"""

import re
from base64 import urlsafe_b64decode
from binascii import Error as NotBase64
from datetime import timedelta
from typing import Final

import jwt
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
_LONGEST: Final = timedelta(hours=24)


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
        if request.path not in self._keys:
            return request.path, Answer(404)
        if request.path in self._ended:
            return request.path, Answer(410)
        wrong = self._unauthorized(request) or _malformed(request)
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


def _public_key(spelled: str) -> ec.EllipticCurvePublicKey:
    point = urlsafe_b64decode(spelled + "=" * (-len(spelled) % 4))
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
