"""URLs of repositories that a task may name, parsed to {forge, owner, name} and built again. Pure.

Nothing of what the caller wrote reaches git or an HTTP client but names that match a pattern: no
scheme but the forge's own, no user, no options, no query, no host that is not a forge's.
"""

import re
from collections.abc import Sequence
from typing import Literal
from urllib.parse import SplitResult, urlsplit

import msgspec

from services.gateway.problems import invalid

ForgeKind = Literal["github", "gitlab", "git"]
POINTER = "/repository/url"

_URL_CHARACTERS = 500
_PLAIN = re.compile(r"[A-Za-z0-9:/._~-]+")
# How git itself writes an address by ssh, and people one in a hurry.
_OTHER_FORM = re.compile(
    r"(?:(?:ssh://)?git@)?(?P<host>[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)(?::\d+/|[:/])"
    r"(?P<path>[A-Za-z0-9_][A-Za-z0-9._/-]*)"
)
_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_DEFAULT_PORTS = {"https": 443, "http": 80}
_OWNER_SEGMENTS = {"github": 1, "gitlab": 20, "git": 20}


class Forge(msgspec.Struct, frozen=True, kw_only=True):
    """A place where repositories live."""

    kind: ForgeKind
    url: str
    api_url: str = ""


class Place(msgspec.Struct, frozen=True):
    """One repository of one forge."""

    forge: Forge
    owner: str
    name: str

    @property
    def url(self) -> str:
        """The repository's address, as it stands in the log."""
        return "/".join(
            part for part in (self.forge.url.rstrip("/"), self.owner, self.name) if part
        )

    @property
    def git_url(self) -> str:
        """Return the address that serves git's smart HTTP protocol."""
        return self.url if self.forge.kind == "git" else f"{self.url}.git"


def locate(url: str, forges: Sequence[Forge]) -> Place:
    """Find the repository an address names. Raises Refused (422) saying what is wrong with it."""
    if not url.strip():
        raise invalid("repository_missing", POINTER, "Name the repository the work is about.")
    if len(url) <= _URL_CHARACTERS and (matched := _OTHER_FORM.fullmatch(url)):
        raise _refused(
            "Errand speaks to forges by https only: write it as "
            f"https://{matched['host']}/{matched['path'].removesuffix('.git')}",
            forges,
        )
    if len(url) > _URL_CHARACTERS or not _PLAIN.fullmatch(url):
        raise _refused("it may have letters, digits and `. _ - ~ / :` only", forges)
    parts = _split(url, forges)
    for forge in forges:
        base = urlsplit(forge.url)
        if _origin(parts) == _origin(base) and parts.path.startswith(base.path.rstrip("/") + "/"):
            return _place(forge, parts.path[len(base.path.rstrip("/")) + 1 :], forges)
    raise _refused(
        f"{parts.scheme}://{parts.netloc} is not a forge that this installation uses", forges
    )


def _split(url: str, forges: Sequence[Forge]) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise _refused("it is not an address", forges) from None
    if not parts.scheme or not parts.hostname:
        raise _refused("it is not a full address", forges)
    return parts


def _origin(parts: SplitResult) -> tuple[str, str, int | None]:
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    return parts.scheme, parts.hostname or "", port


def _place(forge: Forge, path: str, forges: Sequence[Forge]) -> Place:
    path = path.removesuffix("/")
    if forge.kind != "git":
        path = path.removesuffix(".git")
    segments = path.split("/")
    *owners, name = segments
    if not all(_SEGMENT.fullmatch(segment) for segment in segments):
        raise _refused("its path is not an owner and a name", forges)
    fewest = 0 if forge.kind == "git" else 1
    if not fewest <= len(owners) <= _OWNER_SEGMENTS[forge.kind]:
        raise _refused("its path is not an owner and a name", forges)
    return Place(forge, "/".join(owners), name)


def _refused(cause: str, forges: Sequence[Forge]) -> Exception:
    examples = ", ".join(f"{forge.url.rstrip('/')}/<owner>/<name>" for forge in forges) or "(none)"
    return invalid(
        "repository_refused",
        POINTER,
        f"This repository address is refused: {cause}. Use one like {examples}. For github.com or "
        "gitlab.com set GITHUB_TOKEN or GITLAB_TOKEN before `make run`; whoever hosts Errand sets "
        "its forges in FORGES.",
    )
