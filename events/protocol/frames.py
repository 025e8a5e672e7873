"""Stream protocol v1: the frames of a device and of the server, and the close codes. Pure.

docs/reference/protocol.md describes it. The gateway serves it; clients speak it.
"""

from datetime import datetime
from typing import Final, Literal

import msgspec

from events.protocol.api.task_shapes import Phase, PullRequest, Waiting
from events.protocol.problem import Problem

SUBPROTOCOL: Final = "errand.v1+json"
MAX_FRAME_BYTES: Final = 64 * 1024
MAX_SUBSCRIPTIONS: Final = 128
MAX_SEEN_CURSORS: Final = 500
"""Tasks of which it is kept how far a person has seen them: those looked at last."""
PING_INTERVAL_SECONDS: Final = 25.0
INBOX = "inbox"
"""The name to subscribe to, in place of a task, for one line per task of the account."""

# The range is the verdict: below 4500 reconnect and resume, from 4500 on stop.
STOP_CODES: Final = range(4500, 5000)
GOING_AWAY = 4001
TOKEN_EXPIRED = 4005
RATE_LIMITED = 4008
SLOW = 4009
POSITION_LOST = 4010
NO_PONG = 4012
BAD_FRAME = 4500
WRONG_VERSION = 4501
NO_HELLO = 4503
REVOKED = 4504
FORBIDDEN = 4506
REPLACED = 4510
TOO_MANY = 4511


class Closed(Exception):
    """The connection ends with this code; the reason is for people."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class FromDevice(msgspec.Struct, frozen=True, tag_field="t"):
    """A frame from a device: one JSON object."""


class Device(msgspec.Struct, frozen=True):
    """The device of a connection; a new connection of the same device replaces the old."""

    id: str
    name: str = ""
    platform: str = ""


class Subscription(msgspec.Struct, frozen=True):
    """A task (or `inbox`) and the last version the device has of it."""

    task: str
    version: int = 0


Visibility = Literal["active", "background"]


class Hello(FromDevice, frozen=True, tag="hello"):
    """The first frame: credentials, and the positions from which to go on.

    Credentials: an access token or API key, or a ticket where no secret may be kept (browsers).
    """

    v: int
    device: Device
    token: str = ""
    ticket: str = ""
    vis: Visibility = "active"
    subs: tuple[Subscription, ...] = ()


class Sub(FromDevice, frozen=True, tag="sub"):
    """Send this task's events after `version`; of `inbox`, one line per task."""

    task: str
    version: int = 0


class Unsub(FromDevice, frozen=True, tag="unsub"):
    """Send no more of this task."""

    task: str


class Cmd(FromDevice, frozen=True, tag="cmd"):
    """Do something. `id` is the client's UUID: sent twice, it is carried out once."""

    id: str
    op: str
    task: str = ""
    args: msgspec.Raw = msgspec.Raw(b"{}")


class Seen(FromDevice, frozen=True, tag="seen"):
    """The last version the person has seen, per task: what they have seen needs no push."""

    cursors: dict[str, int]


class Vis(FromDevice, frozen=True, tag="vis"):
    """The visibility of the app, and the task it shows."""

    state: Visibility
    focus: str = ""


class Auth(FromDevice, frozen=True, tag="auth", omit_defaults=True):
    """A newer token, or a ticket, of the same person, before the old credential ends.

    Answered by `welcome`.
    """

    token: str = ""
    ticket: str = ""


class Pong(FromDevice, frozen=True, tag="pong"):
    """The answer to a ping."""


Said = Hello | Sub | Unsub | Cmd | Seen | Vis | Auth | Pong
_decoder: msgspec.json.Decoder[Said] = msgspec.json.Decoder(Said)


def decode(frame: bytes | str) -> Said:
    """Decode a device's frame. Raises Closed(4500) with what is wrong with it."""
    if len(frame) > MAX_FRAME_BYTES:
        raise Closed(
            BAD_FRAME, f"A frame may have {MAX_FRAME_BYTES} bytes; this one has {len(frame)}."
        )
    try:
        return _decoder.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Closed(BAD_FRAME, f"This frame is not protocol v1: {error}") from None


class ToDevice(msgspec.Struct, frozen=True, tag_field="t"):
    """An item of a frame to a device, which is a JSON array of items."""


class Welcome(ToDevice, frozen=True, tag="welcome"):
    """The answer to hello and auth. `now` and `expires` are RFC 3339; null: it does not expire."""

    conn: str
    now: str
    heartbeat_ms: int
    limits: dict[str, int]
    expires: str | None = None


class Live(ToDevice, frozen=True, tag="live"):
    """The device has everything up to `version`; what follows is live."""

    task: str
    version: int


class Behind(ToDevice, frozen=True, tag="behind"):
    """Too much to send here: fetch what is after `after` from `url`, then `sub` again."""

    task: str
    after: int
    head: int
    url: str


ResetReason = Literal["not_found", "position_lost", "unavailable"]


class Reset(ToDevice, frozen=True, tag="reset"):
    """No events of this task can be sent, or not from that version; `reason` says why."""

    task: str
    head: int
    reason: ResetReason


class Heads(ToDevice, frozen=True, tag="head"):
    """The newest version of each task watched: a free check of the device's positions."""

    versions: dict[str, int]


AskKind = Literal["question", "approval", "budget", "instruction"]


class Ask(msgspec.Struct, frozen=True, omit_defaults=True):
    """The request of a task to a person; `title` is one line of text, cut with … where it is long.

    `is_whole`: all that is asked stands here, so it can be answered from here: the command and the
    digest of an approval, the options of a question. Otherwise it is to be opened first.
    """

    kind: AskKind
    title: str
    request: str = ""
    is_whole: bool = False
    options: tuple[str, ...] = ()
    command: str = ""
    covers: str = ""
    digest: str = ""
    expires_at: datetime | None = None


class Line(ToDevice, frozen=True, tag="line", omit_defaults=True):
    """One task in the inbox, as it stands at `version`. A later line replaces an earlier one.

    A field that is absent is empty, zero or false. `since` is when the present phase or waiting
    began; `retry_at` when a task that waits for the model provider goes on by itself.
    """

    task: str
    version: int
    phase: Phase
    title: str
    waiting: Waiting
    cost_microusd: int
    updated_at: datetime
    repository: str = ""
    submitted_at: datetime | None = None
    since: datetime | None = None
    asks: Ask | None = None
    retry_at: datetime | None = None
    budget_microusd: int = 0
    files_changed: int = 0
    insertions: int = 0
    deletions: int = 0
    branch: str = ""
    pull_request: PullRequest | None = None
    outcome: str = ""
    is_archived: bool = False


class SeenCursors(ToDevice, frozen=True, tag="seen"):
    """The last version the person has seen, per task, on any of their devices. None goes back."""

    cursors: dict[str, int]


class Ack(ToDevice, frozen=True, tag="ack"):
    """The command is stored in the log, at this version of this task."""

    id: str
    task: str
    version: int


class Nak(ToDevice, frozen=True, tag="nak"):
    """The command was not carried out."""

    id: str
    problem: Problem


class Ping(ToDevice, frozen=True, tag="ping"):
    """Answer with pong."""


class Bye(ToDevice, frozen=True, tag="bye"):
    """The connection ends; come back after `retry_ms`."""

    code: int
    retry_ms: int
    reason: str = ""


_encoder = msgspec.json.Encoder()


def encode(item: ToDevice) -> bytes:
    """Encode one item."""
    return _encoder.encode(item)


def frame(items: list[bytes]) -> bytes:
    """Join encoded items to one frame: a JSON array."""
    return b"[" + b",".join(items) + b"]"
