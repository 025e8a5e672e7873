"""Which files a forge, or who clones from it, runs or trusts without being asked. Pure.

One list, for the question before a call and for the check before a push. A forge that compares
names without case finds them in any case, so case does not count; nor does the folder they are in:
CI servers may be told of another root.
"""

import re
from collections.abc import Iterable
from typing import Final

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


def forge_files(changes: Iterable[tuple[str, bool]]) -> list[str]:
    """Return the paths among changed ones that a forge runs or trusts.

    Each change is a path and whether it is, or was, a link to another repository's commit.
    """
    return sorted(path for path, is_submodule in changes if is_submodule or is_forge_file(path))
