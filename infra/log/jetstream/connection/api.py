"""JetStream API: typed requests and answers about streams, stored messages and consumers.

The one place that names the API's verbs and decodes its answers. Source: "JetStream wire API
Reference" of docs.nats.io, ADR-31 for direct gets, ADR-37 for pulls.
"""

from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from infra.log.jetstream.connection.connection import Connection

STREAM: Final = "EVENTS"
DEAD_LETTERS: Final = "DEADLETTERS"
MAX_MESSAGE_BYTES: Final = 256 * 1024
MAX_EVENTS_PER_TASK: Final = 20_000
NANOSECONDS: Final = 1_000_000_000

NO_MESSAGE: Final = 10037
UNKNOWN_CONSUMER: Final = 10014
UNKNOWN_STREAM: Final = 10059
_NO_SUCH_MESSAGE: Final = 10057  # the answer of STREAM.MSG.DELETE for a message that is gone
_UNAVAILABLE: Final = 503
_API: Final = "$JS.API"
_ANSWER_SECONDS: Final = 5.0


class ApiError(Exception):
    """JetStream refused a request. `code` is NATS's own; `is_transient` if it may succeed later."""

    def __init__(self, code: int, status: int, description: str) -> None:
        super().__init__(f"{description} (JetStream error {code})")
        self.code = code
        self.is_transient = status == _UNAVAILABLE


class ErrorAnswer(msgspec.Struct, frozen=True):
    """Error in an answer: a status as HTTP has them, and NATS's own code."""

    code: int = 0
    err_code: int = 0
    description: str = ""


class PublishAnswer(msgspec.Struct, frozen=True):
    """Answer to a message published on a subject of a stream."""

    seq: int = 0
    duplicate: bool = False
    error: ErrorAnswer | None = None


class StreamState(msgspec.Struct, frozen=True):
    """State of a stream; `subjects` holds message counts, for the subjects asked for."""

    last_seq: int = 0
    bytes: int = 0
    subjects: dict[str, int] | None = None


class StreamInfo(msgspec.Struct, frozen=True):
    """Description of a stream; `ts` is the server's time of the answer."""

    config: dict[str, Any]
    created: datetime
    state: StreamState
    ts: datetime


class ApiMessage(msgspec.Struct, frozen=True):
    """Stored message as STREAM.MSG.GET returns it; `data` and `hdrs` are base64."""

    subject: str
    seq: int
    time: str
    data: str = ""
    hdrs: str = ""

    @property
    def body(self) -> bytes:
        """The message's body."""
        return b64decode(self.data)

    @property
    def headers(self) -> bytes:
        """The raw header block; empty when there is none."""
        return b64decode(self.hdrs)

    @property
    def stored_at(self) -> datetime:
        """The time at which the server stored it, to the microsecond."""
        return msgspec.convert(self.time, datetime)


class MessageRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Request for one message: the last of a subject, or the next of it from a sequence on."""

    seq: int | UnsetType = UNSET
    next_by_subj: str | UnsetType = UNSET
    last_by_subj: str | UnsetType = UNSET


class DirectGet(msgspec.Struct, frozen=True, kw_only=True):
    """Request for a batch of messages, answered by any replica (ADR-31)."""

    batch: int
    seq: int | UnsetType = UNSET
    max_bytes: int | UnsetType = UNSET
    next_by_subj: str | UnsetType = UNSET
    multi_last: Sequence[str] | UnsetType = UNSET


class PullRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Request for a consumer's next messages (ADR-13, ADR-37); times are in nanoseconds."""

    batch: int
    max_bytes: int
    expires: int
    idle_heartbeat: int


class ConsumerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Configuration of a consumer that acknowledges nothing and lives in the server's memory."""

    name: str
    deliver_policy: str
    inactive_threshold: int
    durable_name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    filter_subject: str | UnsetType = UNSET
    filter_subjects: Sequence[str] | UnsetType = UNSET
    opt_start_seq: int | UnsetType = UNSET
    opt_start_time: datetime | UnsetType = UNSET
    ack_policy: str = "none"
    mem_storage: bool = True
    num_replicas: int = 1


class _Answer(msgspec.Struct, frozen=True):
    error: ErrorAnswer | None = None


class _MessageAnswer(msgspec.Struct, frozen=True):
    message: ApiMessage


class _PurgeAnswer(msgspec.Struct, frozen=True):
    purged: int = 0


_answers: Final = msgspec.json.Decoder(_Answer)
_publish_answers: Final = msgspec.json.Decoder(PublishAnswer)
_stream_infos: Final = msgspec.json.Decoder(StreamInfo)
_messages: Final = msgspec.json.Decoder(_MessageAnswer)
_purges: Final = msgspec.json.Decoder(_PurgeAnswer)


async def request(
    connection: Connection, verb: str, body: object, *, within_seconds: float = _ANSWER_SECONDS
) -> bytes:
    """Send a request to the JetStream API (`STREAM.INFO.EVENTS` …) and return its JSON answer.

    Raises ApiError when JetStream refuses, Unavailable when it does not answer. So does every
    function below that awaits an answer.
    """
    answer = await connection.request(
        f"{_API}.{verb}", msgspec.json.encode(body), within_seconds=within_seconds
    )
    error = _answers.decode(answer.data).error
    if error is not None:
        raise ApiError(error.err_code, error.code, error.description)
    return bytes(answer.data)


async def stream_info(
    connection: Connection,
    stream: str = STREAM,
    *,
    subjects_filter: str = "",
    within_seconds: float = _ANSWER_SECONDS,
) -> StreamInfo:
    """Return the description of a stream, with message counts of the subjects that match."""
    body = {"subjects_filter": subjects_filter} if subjects_filter else {}
    answer = await request(connection, f"STREAM.INFO.{stream}", body, within_seconds=within_seconds)
    return _stream_infos.decode(answer)


async def create_stream(connection: Connection, settings: Mapping[str, Any]) -> None:
    """Create a stream with settings as the API has them."""
    await request(connection, f"STREAM.CREATE.{settings['name']}", settings)


async def update_stream(connection: Connection, settings: Mapping[str, Any]) -> None:
    """Change the settings of a stream."""
    await request(connection, f"STREAM.UPDATE.{settings['name']}", settings)


async def purge_subject(
    connection: Connection, subject: str, *, below: int | None = None, within_seconds: float
) -> int:
    """Remove a subject's messages, those below a sequence if one is given; return how many."""
    body = {"filter": subject} | ({} if below is None else {"seq": below})
    answer = await request(
        connection, f"STREAM.PURGE.{STREAM}", body, within_seconds=within_seconds
    )
    return _purges.decode(answer).purged


async def get_message(
    connection: Connection,
    wanted: MessageRequest,
    *,
    stream: str = STREAM,
    within_seconds: float = _ANSWER_SECONDS,
) -> ApiMessage | None:
    """Return one stored message, read from the leader; None when there is none."""
    verb = f"STREAM.MSG.GET.{stream}"
    try:
        answer = await request(connection, verb, wanted, within_seconds=within_seconds)
    except ApiError as refusal:
        if refusal.code == NO_MESSAGE:
            return None
        raise
    return _messages.decode(answer).message


async def delete_message(connection: Connection, stream: str, sequence: int) -> None:
    """Delete one message, overwriting it on disk; one that is gone already is no error."""
    try:
        await request(connection, f"STREAM.MSG.DELETE.{stream}", {"seq": sequence})
    except ApiError as refusal:
        if refusal.code not in (_NO_SUCH_MESSAGE, NO_MESSAGE):
            raise


async def send_direct_get(connection: Connection, wanted: DirectGet, *, reply: str) -> None:
    """Request a batch of messages, answered on the inbox `reply`. Raises Unavailable."""
    body = msgspec.json.encode(wanted)
    await connection.publish(f"{_API}.DIRECT.GET.{STREAM}", body, reply=reply)


async def create_consumer(
    connection: Connection, config: ConsumerConfig, *, is_new: bool = False
) -> None:
    """Create a consumer; one of the same configuration is left as it is, unless `is_new`."""
    body: dict[str, object] = {"stream_name": STREAM, "config": config}
    if is_new:
        body["action"] = "create"
    suffix = f".{config.filter_subject}" if config.filter_subject else ""
    await request(connection, f"CONSUMER.CREATE.{STREAM}.{config.name}{suffix}", body)


async def delete_consumer(connection: Connection, name: str) -> None:
    """Delete a consumer; one that is gone already is no error."""
    try:
        await request(connection, f"CONSUMER.DELETE.{STREAM}.{name}", {})
    except ApiError as refusal:
        if refusal.code != UNKNOWN_CONSUMER:
            raise


def pull_subject(consumer: str) -> str:
    """Return the subject on which a consumer takes pull requests."""
    return f"{_API}.CONSUMER.MSG.NEXT.{STREAM}.{consumer}"


def decode_publish_answer(answer: bytes) -> PublishAnswer:
    """Decode the stream's answer to a published message."""
    return _publish_answers.decode(answer)
