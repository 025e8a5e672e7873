"""Firebase Cloud Messaging, HTTP v1, with a service account's OAuth 2 tokens.

Sources: FCM HTTP v1 REST reference (projects.messages.send, ErrorCode), RFC 7523 (the JWT grant).
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import httpx
import jwt
import msgspec

from infra.runtime.clock import Clock
from services.gateway.push.notification.address import FcmAddress
from services.gateway.push.notification.message import Message
from services.gateway.push.notification.outcome import (
    Outcome,
    Retry,
    outcome_of,
    retry_after_seconds,
)

_SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ASKED_FOR: Final = timedelta(hours=1)
_SPARE: Final = timedelta(minutes=2)


class GoogleAccount(msgspec.Struct, frozen=True):
    """Content of a service account's key file, as far as it is used."""

    project_id: str
    client_email: str
    private_key: str
    private_key_id: str
    token_uri: str

    def __repr__(self) -> str:
        return f"GoogleAccount(client_email={self.client_email!r}, …)"


class TokenUnavailable(Exception):
    """The authorization server gave no token."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


class _Granted(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: int


class AccessToken:
    """Access token of the service account, cached until shortly before it expires."""

    def __init__(self, client: httpx.AsyncClient, account: GoogleAccount, clock: Clock) -> None:
        self._client = client
        self._account = account
        self._clock = clock
        self._token = ""
        self._good_until = clock()
        self._one_at_a_time = asyncio.Lock()

    async def current(self) -> str:
        """Return the token. Raises TokenUnavailable."""
        async with self._one_at_a_time:
            if self._clock() >= self._good_until:
                granted = await self._ask()
                self._token = granted.access_token
                self._good_until = self._clock() + timedelta(seconds=granted.expires_in) - _SPARE
            return self._token

    def doubt(self, token: str) -> None:
        """Request a new token next time, unless that has happened already."""
        if token == self._token:
            self._good_until = self._clock()

    async def _ask(self) -> _Granted:
        now = self._clock()
        claims = {
            "iss": self._account.client_email,
            "scope": _SCOPE,
            "aud": self._account.token_uri,
            "iat": int(now.timestamp()),
            "exp": int((now + _ASKED_FOR).timestamp()),
        }
        assertion = jwt.encode(
            claims,
            self._account.private_key,
            algorithm="RS256",
            headers={"kid": self._account.private_key_id},
        )
        form = {"grant_type": _GRANT, "assertion": assertion}
        try:
            answer = await self._client.post(self._account.token_uri, data=form)
            if answer.status_code == HTTPStatus.OK:
                return msgspec.json.decode(answer.content, type=_Granted)
        except httpx.TransportError as error:
            raise TokenUnavailable(Retry(0, f"no access token: {type(error).__name__}")) from None
        except msgspec.DecodeError:
            raise TokenUnavailable(
                Retry(HTTPStatus.OK, "no access token: not understood")
            ) from None
        raise TokenUnavailable(Retry(answer.status_code, "no access token: refused"))


class _Detail(msgspec.Struct, frozen=True, rename={"error_code": "errorCode"}):
    error_code: str = ""


class _Error(msgspec.Struct, frozen=True):
    status: str = ""
    message: str = ""
    details: tuple[_Detail, ...] = ()


class _Refusal(msgspec.Struct, frozen=True):
    error: _Error = _Error()


class Fcm:
    """Sends to devices that have the app of one Firebase project."""

    def __init__(
        self, client: httpx.AsyncClient, *, url: str, project: str, token: AccessToken, clock: Clock
    ) -> None:
        self._client = client
        self._address = f"{url.rstrip('/')}/v1/projects/{quote(project, safe='')}/messages:send"
        self._token = token
        self._clock = clock

    async def send(self, address: FcmAddress, message: Message) -> Outcome:
        """Attempt once. UNREGISTERED means that the token is invalid."""
        try:
            token = await self._token.current()
            answer = await self._client.post(
                self._address,
                headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
                content=payload(
                    address.token, message, seconds=message.seconds_left(self._clock())
                ),
            )
        except TokenUnavailable as none:
            return none.outcome
        except httpx.TransportError as error:
            return Retry(0, type(error).__name__)
        return self._judged(answer, token)

    def _judged(self, answer: httpx.Response, token: str) -> Outcome:
        after_seconds = retry_after_seconds(answer.headers.get("retry-after", ""), self._clock())
        if answer.status_code < HTTPStatus.BAD_REQUEST:
            return outcome_of(answer.status_code, "", after_seconds=None, is_dead=False)
        error = _error(answer.content)
        code = next((d.error_code for d in error.details if d.error_code), error.status)
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            self._token.doubt(token)
            return Retry(answer.status_code, code, after_seconds)
        is_dead = code in {"UNREGISTERED", "NOT_FOUND"}
        said = f"{code}: {error.message}" if code else error.message
        return outcome_of(answer.status_code, said, after_seconds=after_seconds, is_dead=is_dead)


def payload(token: str, message: Message, *, seconds: int) -> bytes:
    """Return the payload for an app: shown by the system; a withdrawal is for the app only."""
    android: dict[str, Any] = {
        "collapse_key": message.collapse,
        "priority": "NORMAL" if message.is_withdrawal else "HIGH",
        "ttl": f"{seconds}s",
    }
    wrapped: dict[str, Any] = {"token": token, "data": _data(message), "android": android}
    if not message.is_withdrawal:
        wrapped["notification"] = {"title": message.headline, "body": message.text}
        android["notification"] = {"tag": message.collapse, "channel_id": message.push_class}
    return msgspec.json.encode({"message": wrapped})


def _data(message: Message) -> Mapping[str, str]:
    return {**message.ids, "url": message.url}


def _error(body: bytes) -> _Error:
    try:
        return msgspec.json.decode(body, type=_Refusal).error
    except msgspec.DecodeError:
        return _Error()
