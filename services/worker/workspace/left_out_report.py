"""Report of the sandbox on the files of the workspace that are not in the work."""

import re
from collections.abc import Iterable
from typing import Final

from events import LeftOut
from services.worker.agent.text.left_out import shown_path

MAX_NAMED: Final = 50
_KINDS: Final = frozenset(
    {
        *("ignored", "build_output", "too_large", "submodule", "history", "empty_folder"),
        "refused",
    }
)
_CACHES: Final = re.compile(
    r"(^|/)(__pycache__|\.pytest_cache|\.mypy_cache|\.ruff_cache|\.hypothesis|node_modules|\.venv"
    r"|\.tox)(/|$)|(^|/)\.DS_Store$|\.py[cod]$"
)
_PATH_CHARACTERS: Final = 300


def parse_report(report: bytes) -> tuple[LeftOut, ...]:
    """Read a report of `<kind> <path>` entries, each ended by NUL.

    What the repository ignores and what builds make in any repository is nobody's work: it is not
    named. At most MAX_NAMED entries are; the last one counts the others.
    """
    named = sorted(set(_entries(report)))
    rest = len(named) - MAX_NAMED
    found = [LeftOut(path=path, reason=kind) for path, kind in named[:MAX_NAMED]]
    return (*found, LeftOut(path="", reason="more", files=rest)) if rest > 0 else tuple(found)


def _entries(report: bytes) -> Iterable[tuple[str, str]]:
    for entry in report.split(b"\0"):
        kind, _, name = entry.decode(errors="backslashreplace").partition(" ")
        if kind not in _KINDS or not name:
            continue
        if kind == "ignored" and _CACHES.search(name):
            continue
        yield shown_path(name)[:_PATH_CHARACTERS], kind
