"""OAuth grants of people to an app: codes with PKCE, and the tokens they become, as on GitHub.

Sources: GitHub's pages on authorising OAuth apps and on what goes wrong there; RFC 6749, 7636.
Tokens outlive a restart (as digests, in `oauth.json`); codes do not.
"""

import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import msgspec

from infra.runtime.clock import Clock
from infra.simulators.github.store import json_files

_CODE_LIVES = timedelta(minutes=10)
_CHALLENGE_CHARACTERS = 43
_LOOPBACK = ("127.0.0.1", "::1")
_ABOUT = "/apps/oauth-apps/maintaining-oauth-apps"


class OAuthError(Exception):
    """The request is refused with this error of GitHub's."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.body = {"error": error, "error_description": description, "error_uri": _ABOUT}


@dataclass(frozen=True)
class App:
    """The one app registered here. An empty id means none is."""

    client_id: str
    client_secret: str
    callback_url: str


class Granted(msgspec.Struct, frozen=True):
    """Grant of a token."""

    login: str
    scope: str

    @property
    def sees_private(self) -> bool:
        """Return whether private repositories are included."""
        return "repo" in self.scope.split(",")


class _GrantsFile(msgspec.Struct):
    tokens: dict[str, Granted] = {}


@dataclass(frozen=True)
class _Code:
    granted: Granted
    redirect_uri: str
    challenge: str
    expires_at: datetime


class OAuth:
    """Gives codes to those who said yes, and tokens for codes."""

    def __init__(
        self,
        directory: Path,
        app: App,
        clock: Clock,
        token: Callable[[int], str] = secrets.token_hex,
    ) -> None:
        self.app = app
        self._clock = clock
        self._token = token
        self._file = directory / "oauth.json"
        self._kept = json_files.read(self._file, _GrantsFile) or _GrantsFile()
        self._codes: dict[str, _Code] = {}

    def check(self, asked: Mapping[str, str]) -> None:
        """Judge a request for authorization. Raises OAuthError, to be told at the callback."""
        if not is_callback(asked.get("redirect_uri", ""), self.app.callback_url):
            raise _mismatch()
        challenge, method = (asked.get(f"code_challenge{rest}", "") for rest in ("", "_method"))
        if challenge and (method != "S256" or len(challenge) != _CHALLENGE_CHARACTERS):
            raise OAuthError("invalid_request", "The code_challenge_method must be S256.")

    def accept(self, asked: Mapping[str, str], login: str) -> str:
        """Approve as `login`; return the redirect URL. The request has been validated."""
        code = self._token(10)
        scope = ",".join(asked.get("scope", "").replace(",", " ").split())
        self._codes[code] = _Code(
            Granted(login, scope),
            asked.get("redirect_uri", ""),
            asked.get("code_challenge", ""),
            self._clock() + _CODE_LIVES,
        )
        return self.back(asked, {"code": code})

    def back(self, asked: Mapping[str, str], told: Mapping[str, str]) -> str:
        """Make the address of the callback with an answer; a wrong redirect_uri is not used."""
        wanted = asked.get("redirect_uri", "")
        known = wanted if is_callback(wanted, self.app.callback_url) else self.app.callback_url
        state = {"state": asked["state"]} if "state" in asked else {}
        return f"{known}?{urlencode({**told, **state})}"

    def exchange(self, form: Mapping[str, str]) -> dict[str, str]:
        """Trade a code for a token. Raises OAuthError; a code that was shown is used up."""
        is_app = hmac.compare_digest(
            f"{self.app.client_id}\n{self.app.client_secret}".encode(),
            f"{form.get('client_id', '')}\n{form.get('client_secret', '')}".encode(),
        )
        if not self.app.client_id or not is_app:
            raise OAuthError(
                "incorrect_client_credentials",
                "The client_id and/or client_secret passed are incorrect.",
            )
        code = self._codes.pop(form.get("code", ""), None)
        if (
            code is None
            or code.expires_at <= self._clock()
            or not _is_verified(code.challenge, form.get("code_verifier", ""))
        ):
            raise OAuthError("bad_verification_code", "The code passed is incorrect or expired.")
        if form.get("redirect_uri", code.redirect_uri) != code.redirect_uri:
            raise _mismatch()
        token = f"gho_{self._token(18)}"
        self._kept.tokens[_digest(token)] = code.granted
        json_files.write(self._file, self._kept)
        return {"access_token": token, "scope": code.granted.scope, "token_type": "bearer"}

    def granted(self, authorization: str) -> Granted | None:
        """Return what the token in an Authorization header stands for; None when it is none."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() not in {"bearer", "token"}:
            return None
        return self._kept.tokens.get(_digest(token.strip()))


def is_callback(url: str, registered: str) -> bool:
    """Return whether this is the registered redirect_uri; on loopback any port is (RFC 8252)."""
    if not url or not registered:
        return False
    theirs, ours = urlsplit(url), urlsplit(registered)
    if theirs.fragment or "@" in theirs.netloc:
        return False
    if ours.hostname in _LOOPBACK:
        same = (theirs.scheme, theirs.hostname, theirs.path, theirs.query)
        return same == (ours.scheme, ours.hostname, ours.path, ours.query)
    return url == registered


def _is_verified(challenge: str, verifier: str) -> bool:
    made = urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
    return hmac.compare_digest(challenge, made) if challenge else not verifier


def _mismatch() -> OAuthError:
    return OAuthError(
        "redirect_uri_mismatch",
        "The redirect_uri MUST match the registered callback URL for this application.",
    )


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()
