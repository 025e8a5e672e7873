"""A GitHub App installed on this forge: who it is, and the tokens it is given.

A token is good for some repositories, some permissions and one hour, and forgotten by a restart.
Source: GitHub's REST API, "Apps", version 2022-11-28.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import jwt
import msgspec

from infra.runtime.clock import Clock
from infra.simulators.github.http.credentials import Sender
from infra.simulators.github.http.messages import Refusal

GRANTABLE: Final[Mapping[str, str]] = {
    "contents": "write",
    "pull_requests": "write",
    "metadata": "read",
    "checks": "write",
}
_LIFE: Final = timedelta(hours=1)
_MAX_PROOF_SECONDS: Final = 600
_SKEW_SECONDS: Final = 60
_MAX_REPOSITORIES: Final = 500
_TOKEN_BYTES: Final = 24


class TokenRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Scope asked for a token; without `repositories` all of the installation's."""

    repositories: tuple[str, ...] | None = None
    permissions: dict[str, str] = msgspec.field(default_factory=lambda: dict(GRANTABLE))


@dataclass(frozen=True)
class Grant:
    """Scope of a token: names of repositories in lower case (None: all), permissions."""

    repositories: frozenset[str] | None
    permissions: Mapping[str, str]
    expires_at: datetime

    def sender(self, repository: str, needed: tuple[str, str]) -> Sender:
        """Judge a request about a repository that needs a permission of some level."""
        name, level = needed
        is_open = self.repositories is None or repository.lower() in self.repositories
        is_enough = self.permissions.get(name) in (level, "write")
        return Sender.OWNER if is_open and is_enough else Sender.STRANGER


class Installations:
    """The one App, installed once, on all repositories of the forge's one user."""

    def __init__(
        self, *, app_id: str, public_key: str, clock: Clock, entropy: Callable[[int], bytes]
    ) -> None:
        self._app_id = app_id
        self._public_key = public_key
        self._clock = clock
        self._entropy = entropy
        self._grants: dict[str, Grant] = {}

    def require_app(self, authorization: str) -> None:
        """Raise Refusal 401 unless the App's own token, a JWT, was sent."""
        scheme, _, proof = authorization.partition(" ")
        now = self._clock().timestamp()
        try:
            claims = jwt.decode(
                proof.strip() if scheme.lower() == "bearer" else "",
                self._public_key,
                algorithms=["RS256"],
                options={
                    "require": ["iat", "exp", "iss"],
                    "verify_exp": False,  # by the clock we are given
                    "verify_iat": False,
                },
            )
        except (jwt.PyJWTError, ValueError):
            raise Refusal(401, "A JSON web token could not be decoded") from None
        if str(claims["iss"]) != self._app_id:
            raise Refusal(401, "Integration not found")
        if not now <= claims["exp"] <= now + _MAX_PROOF_SECONDS:
            raise Refusal(401, "'Expiration time' claim ('exp') is too far in the future")
        if claims["iat"] > now + _SKEW_SECONDS:
            raise Refusal(401, "'Issued at' claim ('iat') must be an Integer in the past")

    def grant(self, request: TokenRequest, *, known: frozenset[str]) -> tuple[str, Grant]:
        """Return a token; `known` are the repositories there are. Raises Refusal 422."""
        for name, level in request.permissions.items():
            if GRANTABLE.get(name) not in (level, "write"):
                raise Refusal(
                    422, "The permissions requested are not granted to this installation."
                )
        names = None
        if request.repositories is not None:
            names = frozenset(name.lower() for name in request.repositories)
            if not names or len(names) > _MAX_REPOSITORIES or not names <= known:
                raise Refusal(
                    422,
                    "There is at least one repository that does not exist or is not accessible "
                    "to the parent installation.",
                )
        granted = Grant(names, request.permissions, self._clock().replace(microsecond=0) + _LIFE)
        token = f"ghs_{self._app_id}_{self._entropy(_TOKEN_BYTES).hex()}"
        self._grants[token] = granted
        return token, granted

    def granted(self, token: str) -> Grant | None:
        """Return what a token is good for; None when it is none, or its hour is over."""
        grant = self._grants.get(token)
        return grant if grant is not None and self._clock() < grant.expires_at else None
