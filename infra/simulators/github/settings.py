"""Settings of the local forge."""

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Read once, in `__main__`, and passed down."""

    directory: str
    forge_token: str
    """Token that authenticates the one user."""
    host: str = "127.0.0.1"
    port: int = 0
    login: str = "errand"
    """Name of the one user, who owns every repository."""
    public_url: str = ""
    """Base of the URLs shown to people; without it the one that a request came to."""
    app_id: str = ""
    """Id of an installed GitHub App; without it there is none."""
    app_public_key_file: str = ""
    """File of the App's public key (PEM)."""
    faults: bool = False
    grace_seconds: float = 5.0
    path: str = "/usr/local/bin:/usr/bin:/bin"
    """PATH on which git is found."""
    oauth_client_id: str = ""
    """Id of the OAuth app for which people may sign in; without it there is none."""
    oauth_client_secret: str = ""
    """Secret of the OAuth app."""
    oauth_callback_url: str = ""
    """Callback of the OAuth app."""
