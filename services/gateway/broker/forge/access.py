"""Forges and repositories together with a credential. Only the broker's process has any."""

from services.gateway.tasks.repository_url import Forge, Place


class ForgeAccess(Forge, frozen=True, kw_only=True):
    """A forge, and the operator's credential there (empty: none).

    With `app_id` a GitHub App makes credentials of one repository each; its private key is in the
    file `app_key_file`.
    """

    token: str = ""
    app_id: str = ""
    app_key_file: str = ""


class AuthorizedPlace(Place, frozen=True):
    """A repository, and the credential for it (empty: none)."""

    token: str = ""
