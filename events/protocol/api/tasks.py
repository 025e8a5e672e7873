"""Answers about tasks: lists, events, artifacts, and a task at an earlier version.

A task itself is `events.protocol.task_state.TaskState`.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from events.protocol.task_state import TaskState

MessageRole = Literal["person", "agent", "question", "answer", "summary"]
StoredEvent = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"type": "object"})]


class Match(msgspec.Struct, frozen=True):
    """A place where searched words occur: the text around them, and the version that said it.

    With the role `title` (which stands for the repository too) the version is 0.
    """

    role: MessageRole | Literal["title"]
    version: int
    snippet: str


class TaskPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tasks, newest first; `next` is the `after` of the following page, null on the last.

    `matches` has, after a search, one place per task of the page.
    """

    data: list[TaskState]
    next: str | None
    matches: dict[str, Match] = {}


class Message(msgspec.Struct, frozen=True):
    """Something a person or the agent said, and the version of the event that holds it."""

    version: int
    at: datetime
    role: MessageRole
    text: str


class PastTask(msgspec.Struct, frozen=True):
    """A task as it stood at `state.version`. `head` is the history's last version now."""

    state: TaskState
    conversation: list[Message]
    head: int


class EventPage(msgspec.Struct, frozen=True):
    """Events as they are stored; `next` is the following page's `after`, null on the last."""

    data: list[StoredEvent]
    next: int | None
    head: int


class Artifact(msgspec.Struct, frozen=True):
    """Something kept under a name. `sha256` is of its bytes, in hexadecimal."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str
    stored_at: datetime
    version: int


class UploadedAttachment(msgspec.Struct, frozen=True):
    """An image that waits for the message it goes with, until `expires_at`."""

    id: str
    media_type: str
    size_bytes: int
    sha256: str
    width: int
    height: int
    expires_at: datetime


class ArtifactList(msgspec.Struct, frozen=True):
    """A task's artifacts, oldest first; of each name the newest."""

    data: list[Artifact]
