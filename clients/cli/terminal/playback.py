"""Replay of a history in the terminal, at an adjustable speed or step by step."""

import asyncio
import os
import sys
import termios
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime

from rich.console import Console
from rich.status import Status
from rich.text import Text

from clients.cli.terminal.output import spinner_name, write_bytes
from clients.cli.view import event_view
from clients.cli.view import playback_state as playing
from clients.cli.view.playback_state import Player
from events import ModelReplied, Recorded

_TYPED_BYTES = 256


class Playback:
    """One history on one screen. Keys are read only when both ends are a terminal.

    `is_json` prints the events as they are, one per line, at the same pace.
    """

    def __init__(
        self,
        console: Console,
        *,
        speed: float,
        max_pause_seconds: float,
        head: int,
        is_json: bool = False,
    ) -> None:
        self._console = console
        self._player = Player(speed=speed)
        self._longest_pause_seconds = max_pause_seconds
        self._head = head
        self._is_json = is_json
        self._keys: asyncio.Queue[str] = asyncio.Queue()
        self._since: datetime | None = None
        self._before: datetime | None = None
        self._cost_microusd = 0
        self._version = 0
        self._said = ""

    async def play(self, history: AsyncIterator[Recorded]) -> None:
        """Show event after event, until the last or until q is pressed."""
        is_for_keys = sys.stdin.isatty() and self._console.is_terminal and not self._is_json
        with self._listening() if is_for_keys else nullcontext(), self._status(is_for_keys) as line:
            async for recorded in history:
                await self._wait_for(recorded, line)
                if self._player.is_over:
                    return
                self._show(recorded)
                self._tell(line)

    async def _wait_for(self, recorded: Recorded, line: Status | None) -> None:
        """Wait until the event is due, by speed or by a key."""
        loop = asyncio.get_running_loop()
        before, self._before = self._before or recorded.at, recorded.at
        gap_seconds = (recorded.at - before).total_seconds()
        began = loop.time()
        while (left := self._left(gap_seconds, loop.time() - began)) != 0:
            try:
                async with asyncio.timeout(left):
                    self._player = playing.apply_key(self._player, await self._keys.get())
            except TimeoutError:
                return
            self._tell(line)
        self._player = playing.take_step(self._player)

    def _left(self, gap_seconds: float, waited_seconds: float) -> float | None:
        while not self._keys.empty():
            self._player = playing.apply_key(self._player, self._keys.get_nowait())
        return playing.wait_seconds(
            self._player,
            gap_seconds,
            waited_seconds,
            max_pause_seconds=self._longest_pause_seconds,
        )

    def _show(self, recorded: Recorded) -> None:
        self._since = self._since or recorded.at
        self._version = recorded.version
        if isinstance(recorded.event, ModelReplied):
            self._cost_microusd += recorded.event.cost_microusd
            self._said = event_view.reply_text(recorded.event) or self._said
        if self._is_json:
            write_bytes(recorded.body + b"\n")
        elif (shown := event_view.show(recorded, self._since, said=self._said)) is not None:
            self._console.print(shown)
        elif self._player.is_paused:  # a step must show something
            place = f"{event_view.format_elapsed(self._since, recorded.at)}  "
            self._console.print(Text(f"{place}{type(recorded.event).__name__}", style="dim"))

    def _tell(self, line: Status | None) -> None:
        if line is None:
            return
        pace = "paused" if self._player.is_paused else f"speed {self._player.speed:g}"
        spent = event_view.format_usd(self._cost_microusd)
        place = f"{self._version} of {self._head}"
        line.update(Text(f"{place} · {pace} · {spent} · {playing.KEY_HELP}", style="dim"))

    def _status(self, is_for_keys: bool) -> AbstractContextManager[Status | None]:  # noqa: FBT001 - private, one caller
        if not is_for_keys:
            return nullcontext()
        return self._console.status(playing.KEY_HELP, spinner=spinner_name(self._console))

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Read each key as it is pressed; the terminal mode is restored afterwards."""
        loop, terminal = asyncio.get_running_loop(), sys.stdin.fileno()
        before = termios.tcgetattr(terminal)
        tty.setcbreak(terminal)
        loop.add_reader(terminal, self._receive, terminal)
        try:
            yield
        finally:
            loop.remove_reader(terminal)
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)

    def _receive(self, terminal: int) -> None:
        typed = os.read(terminal, _TYPED_BYTES)
        for key in playing.parse_keys(typed or b"q"):  # the terminal is gone
            self._keys.put_nowait(key)
