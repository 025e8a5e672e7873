"""Playing a history back: what a key does, and how long to wait. Pure."""

from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec.structs import replace

SLOWEST: Final = 1 / 16
FASTEST: Final = 1024.0
_ESCAPES: Final = {b"\x1b[C": "right", b"\x1bOC": "right"}
KEYS: Final = "space pauses · n steps · + - speed · q quits"


class Player(msgspec.Struct, frozen=True, kw_only=True):
    """How the history is being played. `steps` are due at once, paused or not."""

    speed: float = 1.0
    is_paused: bool = False
    steps: int = 0
    is_over: bool = False


def press(player: Player, key: str) -> Player:
    """Answer a key: space, right or n, + and -, q. Any other key changes nothing."""
    match key:
        case " ":
            return replace(player, is_paused=not player.is_paused)
        case "right" | "n":
            return replace(player, is_paused=True, steps=player.steps + 1)
        case "+" | "=":
            return replace(player, speed=min(player.speed * 2, FASTEST))
        case "-" | "_":
            return replace(player, speed=max(player.speed / 2, SLOWEST))
        case "q" | "Q" | "\x04":
            return replace(player, is_over=True)
        case _:
            return player


def stepped(player: Player) -> Player:
    """Take one step that was asked for."""
    return replace(player, steps=max(0, player.steps - 1))


def wait_seconds(
    player: Player, gap_seconds: float, waited_seconds: float, *, longest_seconds: float
) -> float | None:
    """Tell how much longer to wait before the next event; None: until a key is pressed.

    `gap_seconds` lie between the two events, `waited_seconds` have been waited already.
    """
    if player.is_over or player.steps:
        return 0.0
    if player.is_paused:
        return None
    return max(0.0, min(gap_seconds / player.speed, longest_seconds) - waited_seconds)


def keys(typed: bytes) -> Iterator[str]:
    """Read what a terminal sends as keys: the right arrow's escape sequence is one key."""
    while typed:
        escape = next((e for e in _ESCAPES if typed.startswith(e)), b"")
        if escape:
            yield _ESCAPES[escape]
        elif not typed.startswith(b"\x1b"):
            yield chr(typed[0])
        else:
            return  # another key's sequence: it means nothing here
        typed = typed[len(escape) or 1 :]
