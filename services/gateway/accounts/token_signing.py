"""Access tokens and stream tickets: JSON Web Tokens (RFC 7519, RFC 9068), signed with Ed25519.

One algorithm (RFC 8037), fixed here and never read from the token; an audience and a type for each
kind, so that neither is accepted as the other. The time is an argument.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from events import AccountId, PersonId
from events.ids import prefixed
from services.gateway.accounts.secrets import derive, name_of
from services.gateway.accounts.tokens import Entropy
from services.gateway.tasks.access import Principal

ACCESS_SECONDS: Final = 600
TICKET_SECONDS: Final = 45
_REMEMBERED: Final = 10_000
_ALGORITHM: Final = "EdDSA"
_ACCESS: Final = ("errand:access", "at+jwt")
_TICKET: Final = ("errand:stream", "ticket+jwt")
_CHECKED: Final = ["iss", "aud", "sub", "sid", "acc", "exp", "iat", "jti"]


class TokenClaims(msgspec.Struct, frozen=True):
    """Claims of a token. `until`: when the credential behind a ticket ends."""

    acc: AccountId
    sub: PersonId
    sid: str
    jti: str
    exp: int
    iat: int
    until: int | None = None

    @property
    def expires_at(self) -> datetime:
        """Expiry of the token."""
        return datetime.fromtimestamp(self.exp, UTC)

    @property
    def issued_at(self) -> datetime:
        """Time of issue, in whole seconds."""
        return datetime.fromtimestamp(self.iat, UTC)

    @property
    def until_at(self) -> datetime | None:
        """Expiry of the credential behind a ticket; None for an access token."""
        return None if self.until is None else datetime.fromtimestamp(self.until, UTC)


class SignedToken(NamedTuple):
    """A signed token and its expiry."""

    text: str
    expires_at: datetime


class TokenSigner:
    """Signs with the first secret's key, verifies with any. `issuer` is this server's URL."""

    def __init__(self, secrets: Sequence[str], *, issuer: str, entropy: Entropy) -> None:
        seeds = [derive(secret, "access") for secret in secrets]
        self._signer = Ed25519PrivateKey.from_private_bytes(seeds[0])
        self._signer_name = name_of(seeds[0])
        self._verifiers: dict[str, Ed25519PublicKey] = {
            name_of(seed): Ed25519PrivateKey.from_private_bytes(seed).public_key() for seed in seeds
        }
        self._issuer = issuer
        self._entropy = entropy
        # A signature that was good stays good; what is no token raises, and is not remembered.
        self._verified = lru_cache(_REMEMBERED)(self._verify)

    def access(
        self, account: AccountId, person: PersonId, session: str, *, now: datetime
    ) -> SignedToken:
        """Sign an access token, valid for ten minutes."""
        claims = {"acc": account, "sub": person, "sid": session}
        return self._signed(_ACCESS, claims, now + timedelta(seconds=ACCESS_SECONDS), now)

    def ticket(self, principal: Principal, *, now: datetime) -> SignedToken:
        """Sign a stream ticket, valid for 45 s. The caller enforces single use."""
        claims: dict[str, str | int] = {
            "acc": principal.account,
            "sub": principal.person,
            "sid": principal.session,
        }
        if principal.expires_at is not None:
            claims["until"] = int(principal.expires_at.timestamp())
        return self._signed(_TICKET, claims, now + timedelta(seconds=TICKET_SECONDS), now)

    def read_access(self, token: str, *, now: datetime) -> TokenClaims | None:
        """Return an access token's claims; None when it is not ours or has expired."""
        return self._read(token, _ACCESS, now)

    def read_ticket(self, ticket: str, *, now: datetime) -> TokenClaims | None:
        """Return a stream ticket's claims; None when it is not ours or has expired."""
        return self._read(ticket, _TICKET, now)

    def _signed(
        self, kind: tuple[str, str], claims: Mapping[str, str | int], until: datetime, now: datetime
    ) -> SignedToken:
        audience, type_ = kind
        whole = {
            "iss": self._issuer,
            "aud": audience,
            **claims,
            "iat": int(now.timestamp()),
            "exp": int(until.timestamp()),
            "jti": prefixed("jti", self._entropy(16)),
        }
        headers = {"typ": type_, "kid": self._signer_name}
        text = jwt.encode(whole, self._signer, algorithm=_ALGORITHM, headers=headers)
        return SignedToken(text, datetime.fromtimestamp(int(until.timestamp()), UTC))

    def _read(self, token: str, kind: tuple[str, str], now: datetime) -> TokenClaims | None:
        try:
            claims = self._verified(token, kind)
        except (jwt.InvalidTokenError, msgspec.ValidationError):
            return None
        return claims if claims.exp > now.timestamp() else None

    def _verify(self, token: str, kind: tuple[str, str]) -> TokenClaims:
        """Return the verified claims, expired or not. Raises InvalidTokenError, ValidationError."""
        audience, type_ = kind
        header = jwt.get_unverified_header(token)
        key = self._verifiers.get(str(header.get("kid")))
        if key is None or header.get("typ") != type_:
            raise jwt.InvalidTokenError
        claims = jwt.decode(
            token,
            key,
            algorithms=[_ALGORITHM],
            audience=audience,
            issuer=self._issuer,
            options={
                "require": _CHECKED,
                "verify_exp": False,  # by the clock we are handed, each time
                "verify_iat": False,
                "strict_aud": True,
            },
        )
        return msgspec.convert(claims, TokenClaims)
