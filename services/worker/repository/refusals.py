"""What git says about a forge, as the plan's reasons and remedies. Pure."""

import re
from collections.abc import Sequence
from typing import Final

from services.worker.ports import WorkspaceRefused

_NOT_FOUND: Final = re.compile(
    r"repository '.*' not found|returned error: (404|410)\b", re.IGNORECASE
)
_DENIED: Final = re.compile(
    r"returned error: (401|403|451)\b|authentication failed|could not read (username|password)",
    re.IGNORECASE,
)
_TOO_LARGE: Final = re.compile(
    r"returned error: 413\b|maximum allowed size|too large", re.IGNORECASE
)
_UNREACHABLE: Final = re.compile(
    r"returned error: (429|5\d\d)\b|could ?n.t (connect|resolve)|could not (connect|resolve)|"
    r"failed to connect|connection (refused|reset|timed out|was reset)|recv failure|send failure|"
    r"empty reply|timed out|early eof|unexpected disconnect|hung up|operation too slow|"
    r"rpc failed|transfer closed|ssl|certificate|unable to access|invalid index-pack output",
    re.IGNORECASE,
)
_NO_WORKFLOWS: Final = re.compile(
    r"refusing to allow .* to (create|update|create or update) workflow|without .workflows?. "
    r"(permission|scope)",
    re.IGNORECASE,
)
_PUSH_DECLINED: Final = re.compile(
    r"\[remote rejected\]|hook declined|protected branch", re.IGNORECASE
)
_MALFORMED: Final = re.compile(
    r"fsck error|object [0-9a-f]{7,64}: \w+: |bad (object|tree|pack) |corrupt|"
    r"did not receive expected object|unresolved deltas|inflate: data stream error|"
    r"invalid (path|object|sha1)|malformed|hash mismatch",
    re.IGNORECASE,
)
_STALE: Final = re.compile(r"stale info|fetch first|non-fast-forward|failed to lock|already exists")
_URL: Final = re.compile(r"https?://\S+")
_DETAIL_CHARACTERS: Final = 600
_SHOWN_BRANCHES: Final = 8

UNREACHABLE: Final = "forge_unreachable"
OTHER: Final = "repository_refused"


def said(stderr: str) -> str:
    """Return what git said, for people: one paragraph, without addresses of our own."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    text = _URL.sub("the repository", " ".join(lines)).replace("''", "'")
    return text[-_DETAIL_CHARACTERS:] or "git said nothing"


def is_stale(stderr: str) -> bool:
    """Tell whether a push lost a race: look again, and push again."""
    return bool(_STALE.search(stderr)) and not re.search(r"hook declined", stderr)


def refusal_of(stderr: str, *, is_push: bool = False) -> WorkspaceRefused:
    """Name the reason of a failed fetch or push."""
    detail = said(stderr)
    if _NOT_FOUND.search(stderr):
        return WorkspaceRefused(
            "repository_not_found",
            f"The forge knows no such repository. {detail}",
            "Check the address. If the repository is private, give Errand's forge token access.",
        )
    if _DENIED.search(stderr):
        return _denied(detail, is_push=is_push)
    if _NO_WORKFLOWS.search(stderr):
        return WorkspaceRefused(
            "push_refused",
            f"The forge does not let Errand's token change workflow files. {detail}",
            "Give it that right (a GitHub App: permission `Workflows`, read and write; a personal "
            "token: scope `workflow`), or tell the task to leave these files as they are.",
        )
    if _PUSH_DECLINED.search(stderr):
        return WorkspaceRefused(
            "push_refused",
            f"The forge did not take the branch. {detail}",
            "Allow branches named errand/… in the repository's rules, then send the task again.",
        )
    if _TOO_LARGE.search(stderr):
        return too_large(detail)
    if not is_push and _MALFORMED.search(stderr):
        return malformed(detail)
    if _UNREACHABLE.search(stderr):
        return WorkspaceRefused(
            UNREACHABLE,
            f"The forge did not answer. {detail}",
            "Check that the forge is up and reachable from the gateway, then send the task again.",
        )
    reason = "push_refused" if is_push else OTHER
    return WorkspaceRefused(reason, detail, "Read what git said, mend it, and send the task again.")


def malformed(detail: str) -> WorkspaceRefused:
    """Refuse a repository that git finds malformed, or can make no files of."""
    return WorkspaceRefused(
        OTHER,
        f"git finds the repository malformed. {detail}",
        "Repair it (`git fsck --full` in a clone names what is wrong), then send the task again.",
    )


def _denied(detail: str, *, is_push: bool) -> WorkspaceRefused:
    if is_push:
        return WorkspaceRefused(
            "push_refused",
            f"The forge lets the repository be read but not written. {detail}",
            "Give Errand's forge token the right to write contents.",
        )
    return WorkspaceRefused(
        "repository_refused",
        f"The forge refused access. {detail}",
        "Check that Errand's forge token is valid and may read the repository.",
    )


def too_large(detail: str) -> WorkspaceRefused:
    """Refuse a repository, or work, that exceeds a limit."""
    return WorkspaceRefused(
        "repository_too_large",
        detail,
        "Take large files out of the repository (Git LFS, a package), or raise the limit.",
    )


def base_not_found(base: str, branches: Sequence[str]) -> WorkspaceRefused:
    """Refuse a base branch that is not there; tell which are."""
    if not branches:
        return WorkspaceRefused(
            "base_not_found",
            "The repository is empty: it has no branch yet.",
            "Push a first commit, then send the task again.",
        )
    more = f" and {len(branches) - _SHOWN_BRANCHES} more" if len(branches) > _SHOWN_BRANCHES else ""
    shown = ", ".join(branches[:_SHOWN_BRANCHES]) + more
    return WorkspaceRefused(
        "base_not_found",
        f"The repository has no branch {base!r}." if base else "It has no default branch.",
        f"Send the task again with one of its branches: {shown}.",
    )
