"""Tokens of a GitHub App: created on demand for one repository, cached until shortly before expiry.

Source: GitHub REST, "Apps": an RS256 JWT of at most ten minutes, `GET /repos/{o}/{r}/installation`,
`POST /app/installations/{id}/access_tokens`. A token's length is not assumed.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Final

import httpx
import jwt
import msgspec

from infra.runtime.clock import Clock
from services.gateway.problems import Refused, refused, unavailable
from services.gateway.tasks.repository_url import Place

PERMISSIONS: Final[Mapping[str, str]] = {
    "contents": "write",
    "pull_requests": "write",
    "metadata": "read",
}
_EARLY: Final = timedelta(minutes=5)
_SKEW: Final = timedelta(minutes=1)
_LIFE: Final = timedelta(minutes=9)
_HEADERS: Final = {
    "Accept": "application/vnd.github+json",
    "X-GitHub-Api-Version": "2022-11-28",
    "User-Agent": "errand",
}


class InstallationToken(msgspec.Struct, frozen=True):
    """An installation token and its expiry."""

    token: str
    expires_at: datetime


class _Installation(msgspec.Struct, frozen=True):
    id: int


class GitHubApp:
    """A GitHub App on one forge. `key` is its private key, in PEM."""

    def __init__(self, client: httpx.AsyncClient, *, app_id: str, key: str, clock: Clock) -> None:
        self._client = client
        self._app_id = app_id
        self._key = key
        self._clock = clock
        self._minted: dict[str, InstallationToken] = {}

    async def token(self, place: Place) -> str:
        """Return a token for this repository only.

        Raises Refused: 403 when the App is not installed there or lacks permissions, 503.
        """
        now = self._clock()
        self._minted = {url: m for url, m in self._minted.items() if m.expires_at - _EARLY > now}
        if place.url not in self._minted:
            self._minted[place.url] = await self._mint(place, now)
        return self._minted[place.url].token

    async def _mint(self, place: Place, now: datetime) -> InstallationToken:
        headers = {**_HEADERS, "Authorization": f"Bearer {self._proof(now)}"}
        api_url = place.forge.api_url.rstrip("/")
        ask = partial(self._client.request, headers=headers)
        try:
            found = await ask("GET", f"{api_url}/repos/{place.owner}/{place.name}/installation")
            installation = msgspec.json.decode(_fine(found, place).content, type=_Installation)
            body = {"repositories": [place.name], "permissions": PERMISSIONS}
            made = await ask(
                "POST",
                f"{api_url}/app/installations/{installation.id}/access_tokens",
                content=msgspec.json.encode(body),
            )
        except httpx.TransportError:
            raise unavailable(f"The forge {place.forge.url} does not answer.") from None
        return msgspec.json.decode(_fine(made, place).content, type=InstallationToken)

    def _proof(self, now: datetime) -> str:
        """Return the App's own token, a JWT."""
        began, ends = now - _SKEW, now + _LIFE
        claims = {"iat": int(began.timestamp()), "exp": int(ends.timestamp()), "iss": self._app_id}
        return jwt.encode(claims, self._key, algorithm="RS256")


def _fine(answer: httpx.Response, place: Place) -> httpx.Response:
    if not answer.is_success:
        raise _refusal(answer, place)
    return answer


def _refusal(answer: httpx.Response, place: Place) -> Refused:
    match answer.status_code:
        case HTTPStatus.NOT_FOUND:
            return refused(
                403,
                "app_not_installed",
                f"This server's GitHub App is not installed on {place.url}, or there is no such "
                "repository. Install it there, then say something to the task.",
            )
        case HTTPStatus.UNAUTHORIZED:
            return refused(
                403,
                "app_refused",
                f"{place.forge.url} does not take the App's key. The operator sets `app_id` and "
                "`app_key_file` in FORGES.",
            )
        case HTTPStatus.FORBIDDEN | HTTPStatus.UNPROCESSABLE_ENTITY:
            wanted = ", ".join(f"{name}: {level}" for name, level in PERMISSIONS.items())
            return refused(
                403,
                "app_refused",
                f"The App on {place.url} may not do what Errand needs ({wanted}). Its owner grants "
                "that in the App's settings.",
            )
        case status:
            return unavailable(f"The forge {place.forge.url} answered {status}.")
