"""State of a replay: what a key does, and how long to wait."""

from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec.structs import replace

MIN_SPEED: Final = 1 / 16
MAX_SPEED: Final = 1024.0
_ESCAPES: Final = {b"\x1b[C": "right", b"\x1bOC": "right"}
KEY_HELP: Final = "space pause · n step · + - speed · q quit"


class Player(msgspec.Struct, frozen=True, kw_only=True):
    """State of a replay. `steps` are due at once, paused or not."""

    speed: float = 1.0
    is_paused: bool = False
    steps: int = 0
    is_over: bool = False


def apply_key(player: Player, key: str) -> Player:
    """Return the state after a key: space, right or n, + and -, q. Other keys change nothing."""
    match key:
        case " ":
            return replace(player, is_paused=not player.is_paused)
        case "right" | "n":
            return replace(player, is_paused=True, steps=player.steps + 1)
        case "+" | "=":
            return replace(player, speed=min(player.speed * 2, MAX_SPEED))
        case "-" | "_":
            return replace(player, speed=max(player.speed / 2, MIN_SPEED))
        case "q" | "Q" | "\x04":
            return replace(player, is_over=True)
        case _:
            return player


def take_step(player: Player) -> Player:
    """Return the state after one step."""
    return replace(player, steps=max(0, player.steps - 1))


def wait_seconds(
    player: Player, gap_seconds: float, waited_seconds: float, *, max_pause_seconds: float
) -> float | None:
    """Return how much longer to wait before the next event; None until a key is pressed.

    `gap_seconds` lie between the two events, `waited_seconds` have been waited already.
    """
    if player.is_over or player.steps:
        return 0.0
    if player.is_paused:
        return None
    return max(0.0, min(gap_seconds / player.speed, max_pause_seconds) - waited_seconds)


def parse_keys(typed: bytes) -> Iterator[str]:
    """Yield the keys in a terminal's input: the right arrow's escape sequence is one key."""
    while typed:
        escape = next((e for e in _ESCAPES if typed.startswith(e)), b"")
        if escape:
            yield _ESCAPES[escape]
        elif not typed.startswith(b"\x1b"):
            yield chr(typed[0])
        else:
            return  # another key's escape sequence is ignored
        typed = typed[len(escape) or 1 :]
