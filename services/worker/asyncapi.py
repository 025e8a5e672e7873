"""The worker's part of the AsyncAPI document: what it says while it works, which nobody keeps."""

from typing import Final

from events.protocol.ephemeral import Ephemeral
from events.protocol.heartbeat import HEARTBEAT_SECONDS, Heartbeat
from events.subjects import BEAT, LIVE
from infra.documents import Channel, Message, Operation, Part, Schemas
from infra.documents.log import ADDRESS

_LIVE_WORDS: Final = (
    "Core NATS, stored nowhere: pieces of the model's text and of a tool's running output. The "
    "final event carries the whole text, so a lost piece costs nothing."
)
_BEAT_WORDS: Final = (
    f"Core NATS, stored nowhere: every {HEARTBEAT_SECONDS:g} seconds that the worker lives, how "
    "far it has read, and which of its readers it needs."
)


def worker_part(schemas: Schemas) -> Part:
    """Return the channels of a worker that are not the log."""
    return Part(
        channels=(
            Channel("live", f"{LIVE}.{{account}}.{{task}}", "log", _LIVE_WORDS, ("eph",), ADDRESS),
            Channel("beat", f"{BEAT}.{{account}}.{{task}}", "log", _BEAT_WORDS, ("beat",), ADDRESS),
        ),
        operations=(
            Operation("worker.shows", "send", "live", "The worker shows what comes."),
            Operation("projector.hears", "receive", "live", "The projector passes it on."),
            Operation("worker.beats", "send", "beat", "The worker says that it lives."),
            Operation("scheduler.hears", "receive", "beat", "The scheduler notes it."),
        ),
        messages=(
            Message("eph", "One piece of a block.", schemas.of(Ephemeral)),
            Message("beat", "One heartbeat.", schemas.of(Heartbeat)),
        ),
    )
