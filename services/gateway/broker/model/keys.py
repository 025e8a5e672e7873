"""Model keys: the account's own where it has one, else the installation's."""

from typing import NamedTuple

from events import AccountId
from services.gateway.broker.secrets.store import MODEL_PROVIDER
from services.gateway.broker.secrets.vault import Vault


class ModelKey(NamedTuple):
    """A key for the Messages API; `is_own` when it is the account's."""

    text: str
    is_own: bool


class ModelKeys:
    """The installation's key, and the accounts' own where there is a vault."""

    def __init__(self, vault: Vault | None, server_key: str) -> None:
        self._vault = vault
        self._server_key = server_key

    async def key_of(self, account: AccountId) -> ModelKey:
        """Return the key for an account's calls. Raises Refused (409, 503)."""
        own = await self._vault.reveal(account, MODEL_PROVIDER, "") if self._vault else None
        return ModelKey(own or self._server_key, own is not None)
