"""The files that a forge, or who clones from it, runs or trusts without being asked. Pure.

One definition for worker and broker: the list, how a change of such files is found in git's output,
and the digest by which an approval is bound to it. A forge that compares names without case finds
them in any case, so case does not count; nor does the folder they are in: CI servers may be told of
another root. See docs/decisions/0013.
"""

import re
from hashlib import sha256
from typing import Final

import msgspec

MAX_PATHS: Final = 200
MAX_DIFF_BYTES: Final = 64 * 1024 * 1024
DIFF_OPTIONS: Final = (
    *("--raw", "-r", "-z", "--no-renames", "--no-abbrev"),
    *("--no-ext-diff", "--no-textconv", "--no-color", "--ignore-submodules=none"),
)
"""Options of `git diff-tree` whose output `changed_forge_files` reads."""

_PATH_CHARACTERS: Final = 300
_SUBMODULE_MODE: Final = b"160000"

_FOLDERS: Final = (
    r"\.(github|gitea|forgejo)/(workflows|actions)",
    *(r"\.circleci", r"\.woodpecker", r"\.buildkite", r"\.semaphore", r"\.teamcity", r"\.gitlab"),
    *(r"\.husky", r"\.githooks", r"\.devcontainer"),
)
_FILES: Final = (
    r"[^/]*\.?gitlab-ci\.ya?ml",
    r"\.(drone|travis|cirrus|woodpecker|appveyor|semaphore)\.(ya?ml|star)",
    *(r"appveyor\.ya?ml", r"wercker\.ya?ml", r"codefresh\.ya?ml", r"cloudbuild\.(ya?ml|json)"),
    *(r"buildspec\.ya?ml", r"bitbucket-pipelines\.ya?ml", r"azure-pipelines[^/]*\.ya?ml"),
    *(r"jenkinsfile[^/]*", r"[^/]*\.jenkinsfile", r"action\.ya?ml", r"codeowners", r"\.gitmodules"),
    *(r"\.(github|gitea|forgejo)/(dependabot\.ya?ml|renovate\.json5?)",),
    *(r"renovate\.json5?", r"\.renovaterc(\.json5?)?", r"\.pre-commit-config\.ya?ml"),
    *(r"\.devcontainer\.json",),
)
# A folder above them that becomes a link, or a file, or another repository, brings all of them.
_ABOVE: Final = (r"\.(github|gitea|forgejo)(/(workflows|actions))?",)
_GUARDED: Final = re.compile(
    rf"(^|/)(({'|'.join(_FOLDERS)})(/|$)|({'|'.join((*_FILES, *_ABOVE))})$)", re.IGNORECASE
)


def is_forge_file(path: str) -> bool:
    """Return whether a forge runs or trusts the file at a path."""
    return bool(_GUARDED.search(path))


def changed_forge_files(listed: bytes) -> tuple[str, ...]:
    """Return the changed paths that a forge runs or trusts, at most MAX_PATHS of them, in order.

    `listed` is the whole output of `git diff-tree` with DIFF_OPTIONS between two trees. A rename is
    two changes, a change of the mode is one; a link to another repository's commit always counts.
    """
    words = listed.split(b"\0")
    paths = set()
    for entry, name in zip(words[::2], words[1::2], strict=False):
        path = name.decode(errors="backslashreplace")
        modes = entry.removeprefix(b":").split(b" ")[:2]
        if _SUBMODULE_MODE in modes or is_forge_file(path):
            paths.add(path)
    return tuple(path[:_PATH_CHARACTERS] for path in sorted(paths)[:MAX_PATHS])


def push_digest(paths: tuple[str, ...], tree: str) -> str:
    """Return what binds an approval to a push: of these paths, with this very tree."""
    return sha256(b"\n".join((b"push", msgspec.json.encode(paths), tree.encode()))).hexdigest()
