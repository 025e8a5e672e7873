"""Credentials for repositories.

In this order: the account's own secret for the repository, its own for the forge, a token
of the installation's GitHub App for this repository only, the token in FORGES, none. GitLab's
project and group tokens are secrets of the first two kinds, or the token in FORGES.
"""

from collections.abc import Mapping
from typing import Final

from events import AccountId
from services.gateway.broker.forge.access import AuthorizedPlace
from services.gateway.broker.forge.github_app import GitHubApp
from services.gateway.broker.secrets.vault import Vault
from services.gateway.tasks.repository_url import Place

PROVIDER: Final = "forge"


class ForgeCredentials:
    """Secrets of accounts; GitHub Apps and the operator's tokens by the URL of their forge."""

    def __init__(
        self, vault: Vault | None, apps: Mapping[str, GitHubApp], tokens: Mapping[str, str]
    ) -> None:
        self._vault = vault
        self._apps = apps
        self._tokens = tokens

    async def placed(self, account: AccountId, place: Place) -> AuthorizedPlace:
        """Return the place with its credential. Raises Refused: 403, 409, 503."""
        token = await self._own(account, place)
        app = self._apps.get(place.forge.url)
        if token is None and app is not None:
            token = await app.token(place)
        if token is None:
            token = self._tokens.get(place.forge.url, "")
        return AuthorizedPlace(place.forge, place.owner, place.name, token)

    async def _own(self, account: AccountId, place: Place) -> str | None:
        if self._vault is None:
            return None
        for name in (place.url, place.forge.url.rstrip("/")):
            token = await self._vault.reveal(account, PROVIDER, name)
            if token is not None:
                return token
        return None
