"""Answers of the HTTP API, complete, with only what a test is about named in the test."""

from http import HTTPStatus
from typing import Any

import msgspec

from events.protocol.api.sessions import Me, Session
from events.protocol.api.tasks import Artifact, PastTask
from events.protocol.frames import Line, Nak, Welcome
from events.protocol.problem import Problem
from events.protocol.task_state import TaskState

TASK_ID = "task_" + "b" * 26
_BEGINNING = "2026-01-01T00:00:00Z"
_TASK = {
    "id": TASK_ID,
    "account": "acc_1",
    "version": 1,
    "phase": "working",
    "title": "Fix it",
    "prompt": "Fix it",
    "repository": {"url": "https://forge.example/o/r.git"},
    "model": "model-1",
    "submitted_at": _BEGINNING,
    "updated_at": _BEGINNING,
}
_QUESTION = {"request": "req_1", "text": "Which?"}
_APPROVAL = {
    "request": "req_9",
    "title": "Run rm -rf docs",
    "digest": "d",
    "covers": "this call",
    "expires_at": "2026-01-02T00:00:00Z",
}
_PULL_REQUEST = {"number": 1, "url": "https://forge.example/o/r/pull/1"}
_PARTS = {"question": _QUESTION, "approval": _APPROVAL, "pull_request": _PULL_REQUEST}


def task_state(**changes: Any) -> TaskState:
    """Return a task; of a question, an approval or a pull request only what differs is given."""
    parts = {name: {**part, **changes[name]} for name, part in _PARTS.items() if changes.get(name)}
    return msgspec.convert({**_TASK, **changes, **parts}, TaskState)


def past_task(conversation: tuple[Any, ...] = (), head: int = 9, **changes: Any) -> PastTask:
    """Return a task at a version; `conversation` has a version, a role and a text each."""
    messages = [
        {"version": version, "at": _BEGINNING, "role": role, "text": text}
        for version, role, text in conversation
    ]
    past = {"state": task_state(**changes), "conversation": messages, "head": head}
    return msgspec.convert(past, PastTask)


def artifact(**changes: Any) -> Artifact:
    known = {
        "name": "diff.patch",
        "media_type": "text/x-diff",
        "size_bytes": 1,
        "sha256": "0" * 64,
        "stored_at": _BEGINNING,
        "version": 3,
    }
    return msgspec.convert(known | changes, Artifact)


def me() -> Me:
    return msgspec.convert(
        {"account": "acc_1", "person": "per_1", "session": "ses_1", "role": "owner", "scopes": []},
        Me,
    )


def session(**changes: Any) -> Session:
    known = {
        "token": "t",
        "expires_at": _BEGINNING,
        "refresh_token": "r",
        "session": "ses_1",
        "account": "acc_1",
        "person": "per_1",
        "role": "owner",
    }
    return msgspec.convert(known | changes, Session)


def problem(detail: str, status: int = 409, **more: Any) -> Problem:
    known = {"type": "urn:errand:problem:test", "title": HTTPStatus(status).phrase, "code": "test"}
    return msgspec.convert({**known, "detail": detail, "status": status, **more}, Problem)


def answer(body: object, status: int = 200) -> tuple[int, bytes]:
    """Return a scripted server's answer."""
    return status, msgspec.json.encode(body)


def refusal(found: Problem) -> tuple[int, bytes]:
    return answer(found, found.status)


def item(frame: msgspec.Struct) -> dict[str, Any]:
    """Return an item of a frame as JSON."""
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(frame))
    return decoded


def welcome(**changes: Any) -> dict[str, Any]:
    known = {"conn": "ses_1", "now": _BEGINNING, "heartbeat_ms": 25_000, "limits": {}}
    return item(msgspec.convert({"t": "welcome", **known, **changes}, Welcome))


def nak(command: str, refused: Problem) -> dict[str, Any]:
    return item(Nak(command, refused))


def line(**changes: Any) -> dict[str, Any]:
    known = {
        "task": TASK_ID,
        "version": 3,
        "phase": "working",
        "title": "Fix it",
        "waiting": "",
        "cost_microusd": 5,
        "updated_at": _BEGINNING,
    }
    return item(msgspec.convert({"t": "line", **known, **changes}, Line))
