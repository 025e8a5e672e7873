"""GitHub client: identity (OAuth 2.0 with PKCE) and the repositories a person can see.

Sources: GitHub's pages on authorising OAuth apps and on its REST API (2022-11-28); RFC 6749, 7636.
No redirect is followed, nothing is stored: a token is sent only to the two configured addresses.
"""

import re
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Final, NamedTuple, TypeVar
from urllib.parse import urlencode

import httpx
import msgspec

from services.gateway.problems import Refused, refused, unavailable

PROVIDER: Final = "github"
_VERSION: Final = "2022-11-28"
_WORD: Final = re.compile(r"[\w.-]+")
_MAX_WORDS: Final = 8
_UNAUTHORIZED: Final = 401
_UNPROCESSABLE: Final = 422

T = TypeVar("T")


class GitHubSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The GitHub server and app. Without a client id, sign-in with GitHub is off."""

    url: str
    api_url: str
    client_id: str
    client_secret: str
    scope: str
    redirect_url: str

    def __repr__(self) -> str:
        return f"GitHubSettings(url={self.url!r}, …)"


class GitHubUser(msgspec.Struct, frozen=True):
    """A GitHub account. The id is permanent, the login may change."""

    id: int
    login: str


class RepositoryInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A repository the person can see."""

    full_name: str
    clone_url: str
    default_branch: str
    is_private: bool = msgspec.field(name="private")
    description: str | None = None
    pushed_at: str | None = None


class RepositoryPage(NamedTuple):
    """A page of repositories, and whether there are more."""

    repositories: tuple[RepositoryInfo, ...]
    has_more: bool


class _Token(msgspec.Struct):
    access_token: str = ""
    token_type: str = ""
    error: str = ""


class _SearchResult(msgspec.Struct):
    items: tuple[RepositoryInfo, ...]


class GitHub:
    """Client of one GitHub. Raises Refused: 503 when it does not respond, or not as documented."""

    def __init__(self, client: httpx.AsyncClient, terms: GitHubSettings) -> None:
        self._client = client
        self._terms = terms

    @property
    def is_configured(self) -> bool:
        """Return whether this installation has a GitHub app."""
        return bool(self._terms.client_id and self._terms.client_secret)

    @property
    def issuer(self) -> str:
        """GitHub's issuer identifier (RFC 9207)."""
        return f"{self._terms.url.rstrip('/')}/login/oauth"

    def authorize_url(self, state: str, verifier: str) -> str:
        """Return the authorization URL; `verifier` is not sent yet."""
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "client_id": self._terms.client_id,
            "redirect_uri": self._terms.redirect_url,
            "scope": self._terms.scope,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{self.issuer}/authorize?{urlencode(query)}"

    async def exchange(self, code: str, verifier: str) -> str:
        """Exchange a code for the person's token. Raises Refused (403) when it is rejected."""
        form = {
            "client_id": self._terms.client_id,
            "client_secret": self._terms.client_secret,
            "code": code,
            "redirect_uri": self._terms.redirect_url,
            "code_verifier": verifier,
        }
        answer = await self._ask(
            "POST",
            f"{self.issuer}/access_token",
            data=form,
            headers={"Accept": "application/json", "User-Agent": "errand"},
        )
        granted = _read(answer, _Token)
        if granted.error or not granted.access_token or granted.token_type.lower() != "bearer":
            raise refused(
                403, "github_refused", "GitHub did not take the code it gave. Begin again."
            )
        return granted.access_token

    async def whoami(self, token: str) -> GitHubUser:
        """Return the GitHub user of a token."""
        return _read(await self._get("/user", token), GitHubUser)

    async def repositories(
        self, token: str, query: str, *, page: int, limit: int
    ) -> RepositoryPage:
        """List repositories the person can see, newest push first; with a query, those that match.

        A query is words of a name, or `owner/words`.
        """
        size = {"per_page": limit, "page": page}
        if not query.strip():
            answer = await self._get("/user/repos", token, sort="push.attempted", **size)
            lines = _read(answer, tuple[RepositoryInfo, ...])
        else:
            asked = search_terms(query)
            answer = await self._get("/search/repositories", token, q=asked, sort="updated", **size)
            if answer.status_code == _UNPROCESSABLE:  # no such owner, or one not to be seen
                return RepositoryPage((), has_more=False)
            lines = _read(answer, _SearchResult).items
        return RepositoryPage(lines, has_more="next" in answer.links)

    async def _get(self, path: str, token: str, **query: str | int) -> httpx.Response:
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {token}",
            "User-Agent": "errand",
            "X-GitHub-Api-Version": _VERSION,
        }
        url = self._terms.api_url.rstrip("/") + path
        answer = await self._ask("GET", url, params=query, headers=headers)
        if answer.status_code == _UNAUTHORIZED:
            raise link_again()
        return answer

    async def _ask(self, method: str, url: str, **options: object) -> httpx.Response:
        try:
            return await self._client.request(method, url, timeout=20.0, **options)  # type: ignore[arg-type]
        except httpx.TransportError:
            raise unavailable("GitHub does not answer at the moment.") from None


def link_again() -> Refused:
    """Return the refusal for a person who is not linked to GitHub (any more)."""
    return refused(
        409,
        "github_not_linked",
        "Your account is not linked to GitHub, or GitHub has ended the link. Link it again: "
        "POST /v1/oauth/github.",
    )


def search_terms(query: str) -> str:
    """Return a person's words in GitHub's search syntax; they cannot become qualifiers."""
    owner, slash, name = query.strip().rpartition("/")
    words = _WORD.findall(name)[:_MAX_WORDS]
    owners = _WORD.findall(owner)[:1] if slash else []
    return " ".join([*words, "in:name", "fork:true", f"user:{owners[0] if owners else '@me'}"])


def _read(answer: httpx.Response, kind: type[T]) -> T:
    if answer.is_success:
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except msgspec.DecodeError:
            pass  # as bad as no answer
    raise unavailable(f"GitHub answered {answer.status_code} in a way we do not understand.")
