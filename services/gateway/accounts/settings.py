"""Settings of accounts: the secrets that sign, and the services that people sign in with."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True, repr=False)
class AccountSettings:
    """Secrets of sessions, and the services that people sign in with."""

    public_url: str
    claim_secret: str
    account_secrets: str
    """Secrets of at least 16 characters, newest first, separated by commas; they sign and encrypt
    sessions.
    """
    key_environment: Literal["live", "test", "local"] = "live"
    """Word in every API key."""
    sign_up: Literal["invited", "open"] = "invited"
    """`invited`: only invited people may sign in; `open`: also new ones, by GitHub or mail."""
    github_url: str = "https://github.com"
    """GitHub at which people sign in."""
    github_api_url: str = "https://api.github.com"
    """API of that GitHub."""
    github_client_id: str = ""
    """OAuth app for signing in with GitHub; without it that is not offered."""
    github_client_secret: str = ""
    """Secret of the OAuth app."""
    github_scope: str = "repo read:user"
    """Scopes requested at sign-in."""
    smtp_host: str = ""
    """Mail server for sign-in links; without it signing in by mail is not offered."""
    smtp_port: int = 587
    """Port of the mail server."""
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """Encryption towards the mail server."""
    smtp_username: str = ""
    """User name at the mail server."""
    smtp_password: str = ""
    """Password at the mail server."""
    smtp_from: str = ""
    """Sender of mails."""
