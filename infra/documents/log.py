"""The log's part of the AsyncAPI document: every stored event, who writes it, and dead letters."""

from collections.abc import Mapping
from typing import Final, get_args

from events import GatewayEvent, OperatorEvent, SchedulerEvent, WorkerEvent
from events.subjects import EVENTS
from infra.documents.asyncapi import REFS, Channel, Message, Operation, Part
from infra.documents.stored import event_schema, facts
from infra.documents.structs import Json, Schemas

ADDRESS: Final[Mapping[str, str]] = {
    "account": "The account's id, `acc_…`.",
    "task": "The task's id, `task_…`.",
}
"""The parameters of every subject of a task."""

_WRITERS: Final[Mapping[str, object]] = {
    "gateway": GatewayEvent,
    "scheduler": SchedulerEvent,
    "worker": WorkerEvent,
    "operator": OperatorEvent,
}
_HEADERS: Final[Mapping[str, str]] = {
    "Nats-Msg-Id": "The event's id; the server drops a repeat within two minutes.",
    "Nats-Expected-Stream": "EVENTS.",
    "Errand-Type": "The event's tag.",
    "Errand-Version": "Its place in the history.",
    "Errand-Schema": "The version of its shape.",
}
_PROOF: Final[Mapping[str, str]] = {
    "Errand-Mac": "Proves the writer to whoever has the keys: <version>.<writer>.<key id>.<MAC>.",
}
_SOMETIMES: Final[Mapping[str, str]] = {
    "Nats-Expected-Last-Subject-Sequence": "Of the first event of an append: what it follows.",
    "Nats-Batch-Id": "Of events appended together: which append.",
    "Nats-Batch-Sequence": "Their place in it, from 1.",
    "Nats-Batch-Commit": "Of the last of them: 1.",
    "traceparent": "W3C trace context of the writer.",
}
_DEAD_HEADERS: Final[Mapping[str, str]] = {
    "Nats-Msg-Id": "`<reader>/<sequence>`: parked once, however often it is met.",
    "Errand-Reason": "Why it could not be read, for people.",
    "Errand-Subject": "Where it stood in the log.",
    "Errand-Sequence": "Its place there.",
}
_EVENTS_WORDS: Final = (
    "Stored in the stream EVENTS: one exact subject a task, appended only after the last known "
    "sequence of that subject. Events of a retired shape stand in the log as they were stored; "
    "their documents are docs/schemas/<tag>.<schema>.json."
)
_DEAD_WORDS: Final = (
    "Stored in the stream DEADLETTERS for 90 days: what a reader could not read, as it stood, with "
    "the reason and the place in its headers."
)


def log_part(schemas: Schemas) -> Part:
    """Return what stands in the log, and who writes it."""
    messages = []
    for tag, kind in facts():
        schemas.named[tag] = event_schema(kind, schemas)
        payload = {"$ref": f"{REFS}{tag}"}
        is_of_a_worker = kind in get_args(WorkerEvent)
        always = _HEADERS if is_of_a_worker else {**_HEADERS, **_PROOF}
        headers = _headers(always, _SOMETIMES)
        messages.append(Message(tag, schemas.named[tag]["description"], payload, headers))
    tags = tuple(tag for tag, _ in facts())
    dead = Message(
        "dead",
        "Something that is no event, as it stood in the log.",
        {},
        _headers(_DEAD_HEADERS, {}),
        "application/octet-stream",
    )
    return Part(
        channels=(
            Channel(
                "events", f"{EVENTS}.{{account}}.{{task}}", "log", _EVENTS_WORDS, tags, ADDRESS
            ),
            Channel(
                "dead",
                "dead.{consumer}",
                "log",
                _DEAD_WORDS,
                ("dead",),
                {"consumer": "The reader that could not read it."},
            ),
        ),
        operations=(
            *(_appends(writer, written) for writer, written in _WRITERS.items()),
            Operation(
                "everyone.reads", "receive", "events", "Every service reads facts from here."
            ),
            Operation("reader.parks", "send", "dead", "A reader parks what it cannot read."),
        ),
        messages=(*messages, dead),
    )


def _appends(writer: str, written: object) -> Operation:
    kinds = get_args(written) or (written,)
    tags = tuple(str(kind.__struct_config__.tag) for kind in kinds)
    return Operation(
        f"{writer}.appends", "send", "events", f"The {writer} alone writes these.", tags
    )


def _headers(always: Mapping[str, str], sometimes: Mapping[str, str]) -> Json:
    words = {**always, **sometimes}
    return {
        "type": "object",
        "properties": {
            name: {"type": "string", "description": meaning} for name, meaning in words.items()
        },
        "required": list(always),
    }
