"""Indented text that a file or pipe receives as it is."""

from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.text import Text


class IndentedText:
    """Indented text. Its lines are wrapped in a terminal only, and never padded."""

    def __init__(self, text: Text, by: int) -> None:
        self.text = text
        self.by = by

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if console.is_terminal:
            yield Padding(self.text, (0, 0, 0, self.by), expand=False)
            return
        for line in self.text.split(allow_blank=True):
            yield Text(" " * self.by).append_text(line) if line.plain else Text()
