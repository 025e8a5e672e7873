"""Finding files and lines; runs inside the sandbox, on whatever Python 3 is there.

Sent as source by `services.worker.tools.search.runner`; on the standard library alone. A request
and an answer are JSON. What was not looked at is in the answer's notes: no answer says "nothing" of
what was left out.
"""

from __future__ import annotations

import os
import re
import warnings
from typing import Any, NamedTuple

from services.worker.tools.search.files import (
    SECONDS,
    WORKSPACE,
    Refused,
    check_place,
    find_files,
    ignored_note,
    list_names,
    name_of,
    place_of,
    quote_name,
    quoting_notes,
)
from services.worker.tools.search.lines import (
    compile_pattern,
    cut_around,
    matching_lines,
    pattern_hints,
    read_text,
)
from services.worker.tools.search.patterns import PathPattern

_MAGIC = re.compile(r"[*?\[\]\\]")


class Request(NamedTuple):
    """Request of a search. `kind` is glob or grep; the last two are limits of the answer."""

    kind: str
    pattern: str
    path: str = ""
    glob: str = ""
    most: int = 500
    line_characters: int = 500


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """Answer a request: `lines` and `notes`, or the `error`."""
    warnings.simplefilter("ignore")
    request = Request(**asked)
    try:
        lines, notes = (_glob if request.kind == "glob" else _grep)(request)
    except Refused as no:
        return {"error": str(no)}
    except OSError as error:
        return {"error": f"{error.filename or request.path}: {error.strerror}"}
    return {"lines": lines, "notes": notes}


def _rooted(pattern: str, path: str) -> tuple[str, str]:
    """Return the directory that a pattern begins in, named without any wildcard, and the rest."""
    root = place_of(pattern[:1] if pattern.startswith("/") else path)
    if pattern == WORKSPACE or pattern.startswith(WORKSPACE + "/"):
        root, pattern = os.getcwd(), pattern[len(WORKSPACE) :]
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    while parts and not _MAGIC.search(parts[0]) and "{" not in parts[0]:
        if parts[0] == "**" or (len(parts) == 1 and not os.path.lexists(f"{root}/{parts[0]}")):
            break
        root = os.path.normpath(os.path.join(root, parts.pop(0)))
    return root, "/".join(parts)


def _glob(request: Request) -> tuple[list[str], list[str]]:
    if request.path and not request.pattern.startswith("/"):
        check_place(place_of(request.path), request.path)
    root, rest = _rooted(request.pattern, request.path)
    if not os.path.lexists(root):
        check_place(root, name_of(root))
    if not rest and (os.path.islink(root) or not os.path.isdir(root)):
        return [quote_name(name_of(root))], []
    if not os.path.isdir(root):
        raise Refused(f"{name_of(root)} is a file; `path` is a directory to look under.")
    found = find_files(root)
    notes = found.notes
    if not rest:
        rest = "**"
        notes.append(f"{name_of(root)} is a directory; these are the files in it")
    names = {os.path.relpath(place, root): place for place in found.files}
    matches = _matching(rest, names)
    if not matches:
        notes += _hints(rest, names)
    notes += ignored_note(found)
    told = [quote_name(name_of(names[name])) for name in matches]
    notes += quoting_notes(told)
    if len(told) > request.most:
        notes.insert(0, f"{len(told) - request.most} more; give a narrower pattern")
    return told[: request.most], notes


def _matching(pattern: str, names: dict[str, str]) -> list[str]:
    fits = PathPattern(pattern)
    return sorted(name for name in names if fits.matches(name))


def _hints(pattern: str, names: dict[str, str]) -> list[str]:
    """Return what a pattern without a match nearly matches: directories, files further down."""
    fits = PathPattern(pattern)
    split = [name.split("/") for name in names]
    above = {"/".join(parts[:depth]) for parts in split for depth in range(1, len(parts))}
    folder = min((name for name in above if fits.matches(name)), default="")
    if folder:
        inside = f"{pattern.rstrip('/')}/**"
        return [f"{quote_name(folder)} matches and is a directory; {inside} lists its files"]
    deep = 0 if pattern.startswith("**") else len(_matching(f"**/{pattern}", names))
    return [f"{deep} files in directories below match **/{pattern}"] if deep else []


def _grep(request: Request) -> tuple[list[str], list[str]]:
    pattern = compile_pattern(request.pattern)
    root = place_of(request.path)
    check_place(root, request.path)
    found = find_files(root)
    files = sorted(found.files)
    if request.glob and os.path.isdir(root):
        files = _filtered(files, request.glob, root)
        if not files:
            notes = [f"no file matches the glob {request.glob}, so nothing was searched"]
            return [], [*found.notes, *notes, *ignored_note(found)]
    told: list[str] = []
    skipped: dict[str, list[str]] = {}
    count = 0
    for number, place in enumerate(files):
        if found.is_late:
            left = len(files) - number
            found.notes.append(f"stopped after {SECONDS:.0f} s: {left} files were not searched")
            break
        text, why = read_text(place, is_named=place == root)
        if why:
            skipped.setdefault(why, []).append(name_of(place))
        for line_number, line, span in matching_lines(pattern, text):
            count += 1
            if count <= request.most:
                shown = cut_around(line, span, request.line_characters)
                told.append(f"{quote_name(name_of(place))}:{line_number}:{shown}")
    notes = [f"not searched, {why}: {list_names(names)}" for why, names in skipped.items()]
    if count > request.most:
        notes.insert(0, f"{count - request.most} more lines; give a narrower pattern")
    if not count:
        notes += pattern_hints(request.pattern)
    return told, [*found.notes, *notes, *ignored_note(found), *quoting_notes(told)]


def _filtered(files: list[str], glob: str, root: str) -> list[str]:
    is_not = glob.startswith("!")
    pattern = glob[1:] if is_not else glob
    if pattern.startswith(WORKSPACE + "/"):
        pattern = pattern[len(WORKSPACE) :]
    fits = PathPattern(pattern if "/" in pattern else f"**/{pattern}")
    starts = (root, os.getcwd())
    return [
        place
        for place in files
        if any(fits.matches(os.path.relpath(place, start)) for start in starts) != is_not
    ]
