"""Settings of the local forge."""

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Read once, in `__main__`, and passed down.

    `directory` holds the repositories and their pull requests; what is there survives a restart.
    `port` 0 means any free one. `login` is the one user, who owns every repository and whom
    `forge_token` authenticates. `public_url` is the base of the addresses shown to people; when
    empty, the address a request came to is used. `faults` lets tests inject faults. `path`
    is the search path, by which git is found. With `app_id` a GitHub App is installed; its public
    key is in the file `app_public_key_file`, in PEM. `oauth_*` register the one app for which
    people may sign in; without an id there is none.
    """

    directory: str
    forge_token: str
    host: str = "127.0.0.1"
    port: int = 0
    login: str = "errand"
    public_url: str = ""
    app_id: str = ""
    app_public_key_file: str = ""
    faults: bool = False
    grace_seconds: float = 5.0
    path: str = "/usr/local/bin:/usr/bin:/bin"
    oauth_client_id: str = ""
    oauth_client_secret: str = ""
    oauth_callback_url: str = ""
