"""Google's authorization server (RFC 7523) and Firebase Cloud Messaging's HTTP v1.

Sources: "Using OAuth 2.0 for Server to Server Applications"; FCM REST reference, projects.messages
and ErrorCode.
"""

import re
from datetime import timedelta
from http import HTTPStatus
from typing import Final, Literal
from urllib.parse import parse_qs

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from infra.runtime.clock import Clock, Entropy
from infra.simulators.push.http2 import Answer, Request

PROJECT: Final = "errand-test"
EMAIL: Final = "push@errand-test.iam.gserviceaccount.example"

_KEY_ID: Final = "key-1"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
_SECONDS: Final = 3599
_HOUR: Final = timedelta(hours=1)
_TTL: Final = re.compile(r"[0-9]{1,7}(\.[0-9]{1,9})?s")
_RESERVED: Final = re.compile(r"from|message_type|collapse_key|(google|gcm).*")
_MAX_BYTES: Final = 4096
_STATUSES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of structs that refuse a field Google does not know."""


class _Shown(_Strict, frozen=True):
    title: str
    body: str


class _AndroidShown(_Strict, frozen=True):
    tag: str
    channel_id: str


class _Android(_Strict, frozen=True):
    collapse_key: str
    priority: Literal["NORMAL", "HIGH"]
    ttl: str
    notification: _AndroidShown | None = None


class _Message(_Strict, frozen=True):
    token: str
    data: dict[str, str]
    android: _Android
    notification: _Shown | None = None


class _SendRequest(_Strict, frozen=True):
    message: _Message


class Google:
    """One project: its service account, the tokens granted to it, its app's devices."""

    def __init__(self, entropy: Entropy, clock: Clock) -> None:
        self._entropy = entropy
        self._clock = clock
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._devices: dict[str, bool] = {}
        self._granted: dict[str, float] = {}
        self.grants = 0

    def service_account(self, origin: str) -> bytes:
        """Encode the JSON key file that an operator downloads once."""
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return msgspec.json.encode(
            {
                "type": "service_account",
                "project_id": PROJECT,
                "private_key_id": _KEY_ID,
                "private_key": pem.decode(),
                "client_email": EMAIL,
                "token_uri": f"{origin}/token",
            }
        )

    def install(self) -> str:
        """Put the app on a device; return its registration token."""
        token = f"{self._entropy(11).hex()}:APA91b{self._entropy(40).hex()}"
        self._devices[token] = True
        return token

    def remove(self, token: str) -> None:
        """Take the app off a device."""
        self._devices[token] = False

    def revoke(self) -> None:
        """Honour no access token that was granted up to now."""
        self._granted.clear()

    def grant(self, request: Request) -> Answer:
        """Trade a signed assertion for an access token."""
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        if request.method != "POST" or form.get("grant_type") != _GRANT:
            return _oauth_error("unsupported_grant_type")
        try:
            claims = jwt.decode(
                form.get("assertion", ""),
                self._key.public_key(),
                algorithms=["RS256"],
                audience=f"{request.origin}/token",
                issuer=EMAIL,
                options={
                    "require": ["iss", "aud", "iat", "exp"],
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidTokenError:
            return _oauth_error("invalid_grant")
        now = self._clock().timestamp()
        is_short = claims["exp"] - claims["iat"] <= _HOUR.total_seconds()
        if not (is_short and claims["iat"] <= now + 60 and claims["exp"] > now):
            return _oauth_error("invalid_grant")
        if claims.get("scope") != _SCOPE:
            return _oauth_error("invalid_scope")
        token = f"ya29.{self._entropy(24).hex()}"
        self._granted[token] = now + _SECONDS
        self.grants += 1
        said = {"access_token": token, "expires_in": _SECONDS, "token_type": "Bearer"}
        return Answer(200, msgspec.json.encode(said), {"content-type": "application/json"})

    def push(self, request: Request) -> tuple[str, Answer]:
        """Take a message, or refuse it with Google's status and error code."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._granted.get(token, 0.0) <= self._clock().timestamp():
            return "", Answer(401, error_body(401))
        if request.path != f"/v1/projects/{PROJECT}/messages:send" or request.method != "POST":
            return "", Answer(403, error_body(403, "SENDER_ID_MISMATCH"))
        try:
            message = msgspec.json.decode(request.body, type=_SendRequest).message
        except msgspec.DecodeError as error:
            return "", Answer(400, error_body(400, "INVALID_ARGUMENT", str(error)))
        if wrong := _wrong(message, request.body):
            return message.token, Answer(400, error_body(400, "INVALID_ARGUMENT", wrong))
        if message.token not in self._devices:
            wrong = "The registration token is not a valid FCM registration token"
            return message.token, Answer(400, error_body(400, "INVALID_ARGUMENT", wrong))
        if not self._devices[message.token]:
            return message.token, Answer(404, error_body(404, "UNREGISTERED"))
        name = {"name": f"projects/{PROJECT}/messages/{self._entropy(8).hex()}"}
        return message.token, Answer(200, msgspec.json.encode(name))


def error_body(status: int, code: str = "", message: str = "") -> bytes:
    """Encode an error as Google does; `code` is FCM's own."""
    kind = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
    return msgspec.json.encode(
        {
            "error": {
                "code": status,
                "message": message or HTTPStatus(status).phrase,
                "status": _STATUSES.get(status, "UNKNOWN"),
                "details": [{"@type": kind, "errorCode": code}] if code else [],
            }
        }
    )


def _wrong(message: _Message, body: bytes) -> str:
    if len(body) > _MAX_BYTES:
        return "Message too big"
    if not _TTL.fullmatch(message.android.ttl):
        return "Invalid ttl"
    reserved = [key for key in message.data if _RESERVED.fullmatch(key)]
    return f"Invalid data payload key: {reserved[0]}" if reserved else ""


def _oauth_error(code: str) -> Answer:
    return Answer(400, msgspec.json.encode({"error": code}))
