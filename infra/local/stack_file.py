"""Where a user's other programs find the stacks that run: a file each in their state directory.

The file holds a path and no secret; what it points to is readable by its owner alone.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from infra.local.keys import write_private
from infra.local.process.child import Announce

_PRIVATE = 0o700


@contextmanager
def registered(
    stack_file: Path, environment: Mapping[str, str], announce: Announce
) -> Iterator[None]:
    """Point to a stack's `stack.json` until the block is left. Without a home nothing is kept."""
    state = environment.get("XDG_STATE_HOME") or f"{environment.get('HOME', '')}/.local/state"
    pointer = Path(state) / "errand" / "stacks" / f"{os.getpid()}.json"
    try:
        pointer.parent.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        write_private(pointer, msgspec.json.encode({"file": str(stack_file)}))
    except OSError as error:
        announce(
            f"`errand` finds this stack only in or below {stack_file.parents[1]}: its place cannot"
            f" be kept ({error})."
        )
    try:
        yield
    finally:
        try:
            pointer.unlink(missing_ok=True)
        except OSError as error:
            announce(f"{pointer} cannot be removed: {error}")
