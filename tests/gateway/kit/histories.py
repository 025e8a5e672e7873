"""Facts, stored objects and rows that give a task a history to read."""

from datetime import UTC, datetime
from hashlib import sha256

import aioboto3
import msgspec

from events import (
    ApprovalRequested,
    ArtifactStored,
    Blob,
    CallId,
    PlanItem,
    PlanUpdated,
    RequestId,
)


def step(text):
    return PlanUpdated(items=(PlanItem(text, "active"),))


async def seen(answer, count):
    """Read so many server-sent events: their ids and data."""
    events, last = [], {}
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if line and name:
            last[name] = value
        elif "data" in last:
            events.append((int(last["id"]), msgspec.json.decode(last["data"])))
            last = {}
        if len(events) == count:
            return events
    raise AssertionError(f"the stream ended after {events}")


async def put(servers, key, content):
    s3 = servers.s3
    async with aioboto3.Session().client(
        "s3",
        endpoint_url=s3.endpoint,
        region_name=s3.region,
        aws_access_key_id=s3.key,
        aws_secret_access_key=s3.secret,
    ) as client:
        await client.put_object(Bucket=s3.bucket, Key=key, Body=content)


async def blob(servers, task, name, content, **changes):
    """Store an object of a task; the Blob that an event names it with."""
    key = f"tasks/{task}/{name}"
    await put(servers, key, content)
    made = Blob(key=key, size_bytes=len(content), sha256=sha256(content).hexdigest())
    return msgspec.structs.replace(made, **changes)


def artifact(task, name, media_type, content=b"", *, key="", digest=""):
    blob = Blob(
        key=key or f"tasks/{task}/artifacts/{name}",
        size_bytes=len(content),
        sha256=digest or sha256(content).hexdigest(),
    )
    return ArtifactStored(name=name, media_type=media_type, blob=blob)


def approval_asked(request, **changes):
    known = {
        "call": CallId(f"call_{request}"),
        "tool": "bash",
        "title": "Run rm -r build",
        "digest": "d",
        "covers": "deleting files",
        "command": "rm -r build",
        "expires_at": datetime(2027, 1, 1, tzinfo=UTC),
        "risks": ("deleting files",),
    }
    return ApprovalRequested(request=RequestId(request), **{**known, **changes})


async def projected(connection, person, task):
    """Put a task into the read model as the projector would."""
    state = (await person.http.get(f"/v1/tasks/{task}")).json()
    await connection.execute(
        "INSERT INTO read.task (task, account, version, phase, repository, submitted_at, state)"
        " VALUES ($1, $2, $3, $4, $5, $6::text::timestamptz, $7)",
        task,
        state["account"],
        state["version"],
        state["phase"],
        state["repository"]["url"],
        state["submitted_at"],
        msgspec.json.encode(state).decode(),
    )
