"""Errors of git about a forge, as stable reasons and remedies."""

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
_PUSH_DECLINED: Final = re.compile(
    r"\[remote rejected\]|hook declined|protected branch", re.IGNORECASE
)
# What breaks a pack on its way (early EOF, a checksum) is no fault of the repository.
_MALFORMED: Final = re.compile(
    r"fsck error|object [0-9a-f]{7,64}: \w+: |did not receive expected object|unresolved deltas|"
    r"invalid (path|object|sha1)|malformed|remote: .*(corrupt|bad object|missing)",
    re.IGNORECASE,
)
_STALE: Final = re.compile(r"stale info|fetch first|non-fast-forward|failed to lock|already exists")
_PUSH_MEANINGS: Final = (
    (
        r"no person has allowed exactly this push",
        "Tell the agent to take these changes back, or to submit again: you are asked before it",
    ),
    (
        r"refusing to allow .* to create or update workflow|without .?workflows?.? (scope|perm)",
        (
            "Give Errand's forge token the right to change workflow files (a GitHub App: "
            "permission `Workflows`, read and write; a personal token: scope `workflow`), or tell "
            "the agent to leave .github/workflows alone"
        ),
    ),
    (
        r"push protection|push cannot contain secrets|secret.scanning|secret detection|GH009",
        (
            "The work holds something that looks like a secret. Tell the agent to remove it, or "
            "allow it on the forge's page for this push"
        ),
    ),
    (
        r"(verified|valid) signatures?|must be signed|commit signature|not.{0,20}GPG signed",
        (
            "The repository takes signed commits only. Exempt Errand's account from that rule for "
            "branches named errand/…"
        ),
    ),
    (
        r"file size limit|large files? detected|GH001|exceeds the maximum.{0,20}size",
        "A file is larger than the forge takes. Tell the agent to leave it out",
    ),
    (
        r"email privacy|GH007|committer.{0,3} e?-?mail|email .{0,60}(member|verified|match)",
        "The forge wants another e-mail address on commits. Allow Errand's, or exempt its account",
    ),
    (
        r"commit message|branch name .{0,60}(pattern|not follow|does not)",
        (
            "The repository has a rule for commit messages or branch names. Exempt Errand's "
            "account, or branches named errand/…"
        ),
    ),
    (
        r"archived|read-only",
        "The repository is archived, and takes no more changes. Bring it back on the forge's page",
    ),
    (
        r"protected branch|GH006",
        "Exempt branches named errand/… from branch protection",
    ),
    (
        r"not allowed to push|you are not allowed|permission .{0,60}denied",
        "Give Errand's forge account the right to push to this repository (GitLab: Developer)",
    ),
    (r"quota|storage limit|over .{0,20}limit", "Make room in the repository's storage"),
    (
        r"rate limit|too many requests|returned error: 429",
        "Wait until the forge's limit has passed",
    ),
)
_ASK_THE_FORGE: Final = "Read what the forge says and change it there."
_REASONS: Final = {403: "repository_refused", 404: "repository_not_found", 503: "forge_unreachable"}
_PULL_REQUESTS: Final = {
    "forge_permission": (
        "repository_refused",
        "Give the broker's token for the forge the right to open pull requests.",
    ),
    "repository_refused": (
        "repository_refused",
        "Give the broker a valid token for the forge (FORGES, or the app's installation).",
    ),
    "repository_archived": (
        "repository_refused",
        "The repository is archived: bring it back on the forge's page.",
    ),
    "base_not_found": (
        "base_not_found",
        "The base branch is not there any more: make it again, or send a new task on another base.",
    ),
    "pull_request_unrelated": (
        "pull_request_refused",
        (
            "The base branch was replaced by one that shares no history with this work: send a new "
            "task, which begins at the base as it is now."
        ),
    ),
    "pull_request_exists": (
        "pull_request_refused",
        "Another pull request from this branch is open: close it, or merge it.",
    ),
    "forge_unreachable": (
        "forge_unreachable",
        "Check that the forge is up and reachable from the broker.",
    ),
    "forge_rate_limited": (
        "forge_unreachable",
        "The forge limits how much it may be asked: wait some minutes.",
    ),
}
_URL: Final = re.compile(r"'?https?://[^\s'\"]+'?")
_DETAIL_CHARACTERS: Final = 600
_SHOWN_BRANCHES: Final = 8

UNREACHABLE: Final = "forge_unreachable"  # also what the broker says of it, in git's words
OTHER: Final = "repository_refused"


def git_message(stderr: str) -> str:
    """Return what git said, for people: whole sentences, without addresses of our own."""
    lines = [_URL.sub("the repository", line.strip()) for line in stderr.splitlines()]
    text = " ".join(_sentence(line) for line in lines if line)
    return text[-_DETAIL_CHARACTERS:] or "git said nothing."


def _sentence(line: str) -> str:
    return line if line.endswith((".", "!", "?", ":")) else f"{line}."


def is_stale(stderr: str) -> bool:
    """Return whether a push lost a race: look again, and push again."""
    return bool(_STALE.search(stderr)) and not re.search(r"hook declined", stderr)


def refusal_of(stderr: str, *, is_push: bool = False) -> WorkspaceRefused:
    """Name the reason of a failed fetch or push."""
    detail = git_message(stderr)
    if is_push:
        for pattern, remedy in _PUSH_MEANINGS:
            if re.search(pattern, stderr, re.IGNORECASE | re.DOTALL):
                return _declined(remedy, detail)
    if _NOT_FOUND.search(stderr):
        return WorkspaceRefused(
            "repository_not_found",
            f"The forge knows no such repository. {detail}",
            "Check the address. If the repository is private, give Errand's forge token access.",
        )
    if _DENIED.search(stderr):
        return _denied(detail, is_push=is_push)
    if _PUSH_DECLINED.search(stderr):
        return _declined("Allow branches named errand/… in the repository's rules", detail)
    if _TOO_LARGE.search(stderr):
        return too_large(detail)
    if not is_push and _MALFORMED.search(stderr):
        return malformed(detail)
    if _UNREACHABLE.search(stderr):
        return unreachable(f"The forge did not answer. {detail}")
    reason = "push_refused" if is_push else OTHER
    return WorkspaceRefused(reason, detail, "Read what git said, fix it, and send the task again.")


def _declined(remedy: str, detail: str) -> WorkspaceRefused:
    return WorkspaceRefused(
        "push_refused",
        f"The forge did not take the branch. {detail}",
        f"{remedy}; then say something to the task to push again.",
    )


def pull_request_refused(status: int, code: str, detail: str, branch: str) -> WorkspaceRefused:
    """Name why a pull request was not opened, from the gateway's code; the branch is pushed."""
    reason, remedy = _PULL_REQUESTS.get(
        code, (_REASONS.get(status, "repository_refused"), _ASK_THE_FORGE)
    )
    said_ = f"The branch {branch} is pushed, but the pull request was not opened: {detail}"
    return WorkspaceRefused(
        reason, said_, f"{remedy} Then say something to the task to try again; or open it by hand."
    )


def unreachable(detail: str) -> WorkspaceRefused:
    """Refuse for want of the forge."""
    return WorkspaceRefused(
        UNREACHABLE,
        detail,
        "Check that the forge is up and reachable from the broker, then send the task again.",
    )


def is_forge_away(stderr: str) -> bool:
    """Return whether the broker said that the forge is away; else the broker was not reached.

    git speaks to the broker alone, so a connection that fails is the gateway's.
    """
    return UNREACHABLE in stderr


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


def snapshot_lost(detail: str) -> WorkspaceRefused:
    """Refuse to go on from a snapshot that is gone, or is not what its event says."""
    return WorkspaceRefused(
        "snapshot_lost",
        f"The work of the attempt before cannot be restored. {detail}",
        "Send the task again. What was pushed is on the task's branch.",
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
