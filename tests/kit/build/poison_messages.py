"""Messages that are no events, put into the log by somebody who may."""

import secrets

import msgspec

from events import AccountId, History, TaskId, event_subject
from infra.log.jetstream import Connection

FINE = {
    "id": "evt_1",
    "version": 1,
    "at": "2026-01-01T00:00:00Z",
    "by": "t",
    "cause": "",
    "type": "tool.started",
    "call": "call_1",
    "tool": "bash",
    "title": "hi",
}


def body(history: History, **changes: object) -> bytes:
    """Return the bytes of an event as a foreign writer would write them."""
    return msgspec.json.encode({**FINE, "task": history.task, **changes})


async def put(admin: Connection, history: History, content: bytes) -> int:
    """Store a message on a history's subject, unguarded; answer its sequence."""
    answer = await admin.request(event_subject(history), content, within_seconds=5)
    return msgspec.json.decode(answer.data)["seq"]


def strange_history() -> History:
    return History(AccountId("acc_poison"), TaskId(f"task_{secrets.token_hex(8)}"))
