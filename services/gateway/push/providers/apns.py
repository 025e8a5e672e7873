"""Apple's push service over HTTP/2, with provider tokens.

Sources: Apple, "Sending notification requests to APNs", "Establishing a token-based connection to
APNs", "Handling notification responses from APNs".
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

import httpx
import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from infra.runtime.clock import Clock
from services.gateway.push.notification.address import ApnsAddress
from services.gateway.push.notification.message import Message
from services.gateway.push.notification.outcome import (
    Outcome,
    Retry,
    outcome_of,
    retry_after_seconds,
)

_REUSED: Final = timedelta(minutes=50)  # a token older than an hour is refused
_KEPT: Final = timedelta(minutes=21)  # one changed within 20 minutes is, too
_DEAD: Final = frozenset({"BadDeviceToken", "Unregistered", "ExpiredToken"})
_STALE: Final = frozenset({"ExpiredProviderToken", "InvalidProviderToken"})
_NOW: Final = "10"
_GENTLY: Final = "5"


class ProviderToken:
    """Provider token: renewed when it ages, never more often than allowed."""

    def __init__(self, private_key: bytes, *, key_id: str, team_id: str, clock: Clock) -> None:
        """`private_key` is PEM (a .p8 file); raises ValueError when it is no P-256 key."""
        key = load_pem_private_key(private_key, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the APNs key is not an elliptic curve key")  # noqa: TRY004 - its text is at fault
        self._key = key
        self._key_id = key_id
        self._team_id = team_id
        self._clock = clock
        self._token = ""
        self._made_at = datetime.min.replace(tzinfo=clock().tzinfo)

    @property
    def current(self) -> str:
        """Current token."""
        if self._clock() - self._made_at > _REUSED:
            self._made_at = self._clock()
            self._token = jwt.encode(
                {"iss": self._team_id, "iat": int(self._made_at.timestamp())},
                self._key,
                algorithm="ES256",
                headers={"kid": self._key_id},
            )
        return self._token

    def doubt(self) -> None:
        """Renew the token next time, if that is allowed already."""
        if self._clock() - self._made_at > _KEPT:
            self._made_at -= _REUSED


class _Refusal(msgspec.Struct, frozen=True):
    reason: str = ""


class Apns:
    """Sends to devices that have the app whose bundle id is `topic`."""

    def __init__(
        self, client: httpx.AsyncClient, *, url: str, topic: str, token: ProviderToken, clock: Clock
    ) -> None:
        self._client = client
        self._url = url.rstrip("/")
        self._topic = topic
        self._token = token
        self._clock = clock

    async def send(self, address: ApnsAddress, message: Message) -> Outcome:
        """Attempt once. 410, and 400 BadDeviceToken, mean that the token is invalid."""
        headers = {
            "authorization": f"bearer {self._token.current}",
            "apns-topic": self._topic,
            "apns-id": message.push,
            "apns-expiration": str(int(message.expires_at.timestamp())),
            "apns-priority": _GENTLY if message.is_withdrawal else _NOW,
            "apns-push-type": "background" if message.is_withdrawal else "alert",
            "apns-collapse-id": message.collapse,
        }
        url = f"{self._url}/3/device/{address.token}"
        try:
            answer = await self._client.post(url, headers=headers, content=payload(message))
        except httpx.TransportError as error:
            return Retry(0, type(error).__name__)
        return self._judged(answer)

    def _judged(self, answer: httpx.Response) -> Outcome:
        reason = _reason(answer.content)
        after_seconds = retry_after_seconds(answer.headers.get("retry-after", ""), self._clock())
        if answer.status_code == HTTPStatus.FORBIDDEN and reason in _STALE:
            self._token.doubt()
            return Retry(answer.status_code, reason, after_seconds)
        is_dead = answer.status_code == HTTPStatus.GONE or reason in _DEAD
        return outcome_of(answer.status_code, reason, after_seconds=after_seconds, is_dead=is_dead)


def payload(message: Message) -> bytes:
    """Return the payload for an app: an alert, or for a withdrawal a background notification."""
    aps: Mapping[str, Any] = {"content-available": 1}
    if not message.is_withdrawal:
        aps = {
            "alert": {"title": message.headline, "body": message.text},
            "sound": "default",
            "thread-id": message.collapse,
            "category": message.push_class,
            "interruption-level": "time-sensitive" if message.is_urgent else "active",
            **({} if message.badge is None else {"badge": message.badge}),
        }
    return msgspec.json.encode({"aps": aps, "errand": {**message.ids, "url": message.url}})


def _reason(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Refusal).reason if body else ""
    except msgspec.DecodeError:
        return ""
