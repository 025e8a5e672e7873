"""Settings of accounts: the secrets that sign, and the services that people sign in with."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True, repr=False)
class AccountSettings:
    """Without a client id there is no sign-in with GitHub; without SMTP_HOST none by mail."""

    public_url: str
    claim_secret: str
    account_secrets: str
    key_environment: Literal["live", "test", "local"] = "live"
    sign_up: Literal["invited", "open"] = "invited"
    github_url: str = "https://github.com"
    github_api_url: str = "https://api.github.com"
    github_client_id: str = ""
    github_client_secret: str = ""
    github_scope: str = "repo read:user"
    smtp_host: str = ""
    smtp_port: int = 587
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_username: str = ""
    smtp_password: str = ""
    smtp_from: str = ""
