"""Playing a history back: keys, pace, and what a terminal is shown of it."""

import asyncio
import io
import os
import pty
import sys
import termios
import threading
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
from rich.console import Console

from clients.cli.terminal.playback import Playback
from clients.cli.view.playback_state import (
    MAX_SPEED,
    MIN_SPEED,
    Player,
    apply_key,
    parse_keys,
    take_step,
    wait_seconds,
)
from events import ModelRequested, PlanItem, PlanUpdated, TaskInstructed
from tests.kit.build.any_event import BEGINNING, recorded


def pressed(*typed, player=None):
    player = player or Player()
    for key in typed:
        player = apply_key(player, key)
    return player


def test_the_keys_pause_step_hurry_and_quit():
    assert pressed(" ").is_paused
    assert not pressed(" ", " ").is_paused
    assert pressed("n", "right") == Player(is_paused=True, steps=2)
    assert take_step(pressed("n")) == Player(is_paused=True)
    assert pressed("+", "+").speed == 4
    assert pressed("-").speed == 0.5
    assert pressed(*"+" * 99).speed == MAX_SPEED
    assert pressed(*"-" * 99).speed == MIN_SPEED
    assert pressed("q").is_over
    assert pressed("x", "up") == Player()


def test_a_terminals_bytes_are_keys():
    assert list(parse_keys(b" n+")) == [" ", "n", "+"]
    assert list(parse_keys(b"\x1b[Cq")) == ["right", "q"]
    assert list(parse_keys(b"\x1b[A")) == []


def test_the_wait_is_the_gap_by_the_speed_and_no_longer_than_told():
    assert wait_seconds(Player(), 2.0, 0.5, max_pause_seconds=9) == 1.5
    assert wait_seconds(Player(speed=4), 2.0, 0.1, max_pause_seconds=9) == pytest.approx(0.4)
    assert wait_seconds(Player(), 3600, 0, max_pause_seconds=3) == 3
    assert wait_seconds(Player(), -1, 0, max_pause_seconds=3) == 0
    assert wait_seconds(Player(is_paused=True), 1, 99, max_pause_seconds=3) is None
    assert wait_seconds(Player(is_paused=True, steps=1), 1, 0, max_pause_seconds=3) == 0


async def told(*gaps):
    """A history with these gaps in seconds before each event."""
    at = BEGINNING
    for version, gap in enumerate(gaps, 1):
        at += timedelta(seconds=gap)
        yield recorded(TaskInstructed(text=f"word {version}"), version, at=at)


async def test_without_a_terminal_it_just_plays_at_its_pace():
    screen = io.StringIO()
    playback = Playback(Console(file=screen, width=80), speed=10, max_pause_seconds=0.2, head=3)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await playback.play(told(0, 2, 3600))
    assert 0.35 <= loop.time() - began < 2
    assert [line.split()[-1] for line in screen.getvalue().splitlines()] == ["1", "2", "3"]


@contextmanager
def a_terminal(monkeypatch):
    """A pseudo-terminal as standard input and output; what is shown can be read."""
    ours, theirs = pty.openpty()
    shown = bytearray()

    def read():
        while True:
            try:
                shown.extend(os.read(ours, 4096))
            except OSError:
                return

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    with os.fdopen(theirs, "r+b", buffering=0) as raw:
        stream = io.TextIOWrapper(raw, write_through=True)
        monkeypatch.setattr(sys, "stdin", stream)
        console = Console(file=stream, force_terminal=True, width=100)
        yield console, ours, shown
        monkeypatch.undo()
    os.close(ours)


async def until_shown(shown, text):
    deadline = time.monotonic() + 10
    while text not in shown:
        assert time.monotonic() < deadline, bytes(shown)
        await asyncio.sleep(0.01)


async def test_in_a_terminal_a_person_pauses_steps_and_quits(monkeypatch):
    with a_terminal(monkeypatch) as (console, keyboard, shown):
        before = termios.tcgetattr(keyboard)
        playback = Playback(console, speed=1, max_pause_seconds=600, head=4)
        async with asyncio.TaskGroup() as group:
            playing = group.create_task(playback.play(told(0, 500, 500, 500)))
            await until_shown(shown, b"word 1")
            os.write(keyboard, b"n")
            await until_shown(shown, b"word 2")
            await until_shown(shown, b"paused")
            os.write(keyboard, b"\x1b[C")
            await until_shown(shown, b"word 3")
            os.write(keyboard, b"q")
            await asyncio.wait_for(playing, 10)
        assert b"word 4" not in shown
        assert termios.tcgetattr(keyboard) == before


async def test_a_step_shows_even_what_says_nothing_to_a_person(monkeypatch):
    async def silent():
        yield recorded(TaskInstructed(text="first"), 1)
        yield recorded(ModelRequested(turn=1, model="m"), 2, at=BEGINNING + timedelta(hours=1))
        yield recorded(
            PlanUpdated(items=(PlanItem("x", "done"),)), 3, at=BEGINNING + timedelta(hours=2)
        )

    with a_terminal(monkeypatch) as (console, keyboard, shown):
        playback = Playback(console, speed=1, max_pause_seconds=600, head=3)
        async with asyncio.TaskGroup() as group:
            playing = group.create_task(playback.play(silent()))
            await until_shown(shown, b"first")
            os.write(keyboard, b"n")
            await until_shown(shown, b"ModelRequested")
            os.write(keyboard, b"q")
            await asyncio.wait_for(playing, 10)
