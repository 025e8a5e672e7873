"""The heartbeat of a worker, on `heartbeat_subject`: core NATS, stored nowhere.

The worker sends it; the scheduler receives it.
"""

from typing import Final

import msgspec

from events.ids import MachineId

HEARTBEAT_SECONDS: Final = 5.0


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """One heartbeat: the attempt, how far it has read, and the reader it needs (1, 2, 3 …)."""

    attempt: int
    machine: MachineId
    version: int
    reader: int
