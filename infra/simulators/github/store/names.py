"""Rules for names of owners, repositories and branches."""

import re

_OWNER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9]|-(?=[A-Za-z0-9])){0,38}", re.ASCII)
_REPOSITORY = re.compile(r"[A-Za-z0-9._-]{1,100}", re.ASCII)
_REFUSED_IN_REFERENCE = re.compile(
    r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|$)|^[-/.]|[/.]$"
)
_OBJECT = re.compile(r"[0-9a-f]{40}", re.ASCII)
_MAX_REFERENCE_CHARACTERS = 244


def is_owner(name: str) -> bool:
    """Return whether `name` can be a login, by GitHub's rule."""
    return _OWNER.fullmatch(name) is not None


def is_repository(name: str) -> bool:
    """Return whether `name` can be a repository; `.`, `..` and `x.git` cannot."""
    if name in {".", ".."} or name.lower().endswith((".git", ".wiki", ".lock")):
        return False
    return _REPOSITORY.fullmatch(name) is not None


def is_branch(name: str) -> bool:
    """Return whether `name` can be a branch, by the rules of git-check-ref-format(1)."""
    if not name or name in {"@", "HEAD"} or len(name) > _MAX_REFERENCE_CHARACTERS:
        return False
    return _REFUSED_IN_REFERENCE.search(name) is None


def is_reference(name: str) -> bool:
    """Return whether `name` is a whole reference that may be written: a branch or a tag."""
    kind, _, rest = name.removeprefix("refs/").partition("/")
    return name.startswith("refs/") and kind in {"heads", "tags"} and is_branch(rest)


def is_object(name: str) -> bool:
    """Return whether `name` is a whole object name in hexadecimal."""
    return _OBJECT.fullmatch(name) is not None
