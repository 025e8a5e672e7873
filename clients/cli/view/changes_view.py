"""The files that a task's work has changed, as text."""

from collections.abc import Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from clients.cli.view.event_view import format_count, plain
from events.protocol.api.changes import WorkChange, WorkChanges

_LETTERS: Final = {
    "added": ("A", "green"),
    "deleted": ("D", "red"),
    "modified": ("M", "yellow"),
    "renamed": ("R", "cyan"),
    "type_changed": ("T", "yellow"),
}


def changes_view(changes: WorkChanges) -> RenderableType:
    """Return the list of files, and what a reader has to know about its age and its gaps."""
    return Group(*_lines(changes))


def _lines(changes: WorkChanges) -> Iterator[Text]:
    if not changes.version:
        yield Text("No snapshot of the work has changes yet.")
    else:
        total = format_count(changes.files, "changed file")
        counts = f"+{changes.insertions} -{changes.deletions}"
        yield Text(f"{total}, {counts}, as of version {changes.version}", style="bold")
    yield from (_file(each) for each in changes.data)
    if changes.files_left_out:
        yield Text(f"… and {format_count(changes.files_left_out, 'file')} more", style="dim")
    if changes.calls_since:
        calls = format_count(changes.calls_since, "tool call")
        yield Text(f"{calls} ended since; their changes are not in this list.", style="dim")
    if changes.left_out:
        paths = ", ".join(plain(each.path) for each in changes.left_out)
        yield Text(f"Not part of the work: {paths}", style="dim")


def _file(file: WorkChange) -> Text:
    letter, style = _LETTERS[file.change]
    name = plain(file.path)
    if file.previous_path:
        name = f"{plain(file.previous_path)} → {name}"
    counts = "binary" if file.is_binary else f"+{file.insertions} -{file.deletions}"
    notes = [counts, *_notes(file)]
    return Text.assemble((f"  {letter} ", style), name, (f"  {', '.join(notes)}", "dim"))


def _notes(file: WorkChange) -> Iterator[str]:
    if file.old_mode and file.new_mode and file.old_mode != file.new_mode:
        yield f"mode {file.old_mode} → {file.new_mode}"
    if file.category:
        yield file.category
    if file.is_guarded:
        yield "run or trusted by the forge"
    if file.is_truncated:
        yield "patch not whole"
