"""Files that a search looks at, those it leaves out, and their names. Inside the sandbox.

Files that git ignores are left out unless they, or a folder above them, are named.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time

WORKSPACE = "/workspace"
SECONDS = 45.0
_GIT = ("git", "-c", "core.fsmonitor=false", "-c", "safe.directory=*", "-c", "core.hooksPath=")
_SYSTEM = ("/proc", "/sys", "/dev")
_MAX_NAMES = 5


class Refused(Exception):
    """A request cannot be met; the text says why, for the model."""


class FoundFiles:
    """The files to look at, and what is left out of them."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.deadline = time.monotonic() + SECONDS
        self.files: set[str] = set()
        self.ignored: list[str] = []
        self.notes: list[str] = []

    @property
    def is_late(self) -> bool:
        """Return whether the time for the search is over."""
        return time.monotonic() > self.deadline


def place_of(path: str) -> str:
    """Return the absolute path that a path of the model means."""
    here = os.getcwd()
    if path == WORKSPACE or path.startswith(WORKSPACE + "/"):
        path = here + path[len(WORKSPACE) :]
    return os.path.normpath(os.path.join(here, path or "."))


def name_of(place: str) -> str:
    """Return the path as the other tools take it: relative to the workspace where it is in it."""
    here = os.getcwd()
    if place == here:
        return "."
    return place[len(here) + 1 :] if place.startswith(here.rstrip("/") + "/") else place


def check_place(place: str, path: str) -> None:
    """Raise Refused when there is nothing at a place; say how far the path leads."""
    if os.path.exists(place):
        return
    if os.path.islink(place):
        raise Refused(f"{path} is a symbolic link to {os.readlink(place)}, which is not there.")
    above = os.path.dirname(place)
    while not os.path.isdir(above):
        above = os.path.dirname(above)
    raise Refused(f"There is no file or directory {path}; {name_of(above)} is there.")


def find_files(root: str) -> FoundFiles:
    """Gather the files under a directory, or the one file."""
    found = FoundFiles(root)
    if not os.path.isdir(root):
        found.files.add(root)
    elif not _from_git(root, found):
        _walk(root, found)
    return found


def _from_git(root: str, found: FoundFiles) -> bool:
    """Add what git lists; return False where git cannot say, or ignores the directory."""
    if ".git" in root.split("/"):
        return False
    listed = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if listed is None or _git(root, "check-ignore", "-q", "--", root) is not None:
        return False
    for name in listed:
        place = os.path.normpath(os.path.join(root, name))
        if os.path.islink(place) or not os.path.isdir(place):
            if os.path.lexists(place):
                found.files.add(place)
        elif place != root and not _from_git(place, found):  # another repository inside
            _walk(place, found)
    ignored = _git(
        root, "ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory"
    )
    found.ignored += [name_of(os.path.join(root, name)) for name in ignored or ()]
    return True


def _git(directory: str, *arguments: str) -> list[str] | None:
    """Return what git prints between NULs; None when it fails, or there is no git."""
    try:
        done = subprocess.run(
            [*_GIT, *arguments],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    except OSError:
        return None
    if done.returncode:
        return None
    return [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]


def _walk(root: str, found: FoundFiles) -> None:
    """Gather every file under a directory, but for a repository's own and the kernel's."""
    for directory, names, files in os.walk(root, onerror=lambda error: _unread(error, found)):
        if found.is_late:
            found.notes.append(f"stopped after {SECONDS:.0f} s at {name_of(directory)}")
            return
        is_inside_git = ".git" in root.split("/")
        links = [name for name in names if os.path.islink(os.path.join(directory, name))]
        names[:] = sorted(
            name
            for name in names
            if name not in links
            and (name != ".git" or is_inside_git)
            and os.path.join(directory, name) not in _SYSTEM
        )
        found.files.update(os.path.join(directory, name) for name in [*files, *links])


def _unread(error: OSError, found: FoundFiles) -> None:
    found.notes.append(f"could not be read: {name_of(os.fsdecode(error.filename))}")


def ignored_note(found: FoundFiles) -> list[str]:
    """Return a note on what git ignores there, if anything."""
    if not found.ignored:
        return []
    names = list_names(found.ignored)
    return [f"not looked at, because git ignores it: {names}; give it as `path` to look there"]


def list_names(names: list[str]) -> str:
    """Return the first names, and how many there are besides."""
    shown = ", ".join(quote_name(name) for name in names[:_MAX_NAMES])
    more = len(names) - _MAX_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def quote_name(name: str) -> str:
    """Return a name as it is; one with control characters, or not in UTF-8, as a quoted string."""
    if any("\udc80" <= c <= "\udcff" for c in name):
        said = "".join(map(_byte, os.fsencode(name)))
        return f"$'{said}'"
    if re.search(r"[\x00-\x1f\x7f\x85\u2028\u2029]", name):
        return json.dumps(name, ensure_ascii=False)
    return name


def _byte(byte: int) -> str:
    character = chr(byte)
    is_plain = character.isascii() and character.isprintable() and character not in "'\\"
    return character if is_plain else f"\\x{byte:02x}"


def quoting_notes(told: list[str]) -> list[str]:
    """Return notes on what the quotes around names mean, where there are any."""
    notes = []
    if any(line.startswith('"') for line in told):
        notes.append("names in double quotes have control characters in them; give them as shown")
    if any(line.startswith("$'") for line in told):
        notes.append("names in $'…' are not UTF-8; only bash can open them, written as shown")
    return notes
