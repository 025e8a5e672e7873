"""A gateway with everything set up, and a task that has something to tell at every address."""

from contextlib import asynccontextmanager
from importlib.resources import files

import asyncpg

from events import CallId, QuestionAsked, RequestId, SnapshotTaken, ToolCompleted
from events.protocol.stored_changes import FileChange, StoredChanges, encode_changes
from infra.stores.postgres.migrations import migrate
from tests.gateway.kit.histories import approval_asked, artifact, blob, put
from tests.kit.fakes.push_services import Browser
from tests.kit.run.gateway import a_world

DIFF = b"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n"
OUTPUT = b"".join(b"%d\n" % n for n in range(20_000))
OUTPUT_VERSION = 4


@asynccontextmanager
async def a_furnished_world(servers, database, place, **changes):
    """Run a gateway with a read model and a file of keys."""
    connection = await asyncpg.connect(database)
    await migrate(connection, "read", files("services.projector") / "schema")
    await connection.close()
    keys = place / "keys"
    keys.write_text("A" * 43 + "=\n")
    known = {
        "secrets_key_file": str(keys),
        "vapid_private_key": "A" * 42 + "E",
        "vapid_contact": "mailto:push@example.com",
        **changes,
    }
    async with a_world(servers, database, **known) as made:
        await made.broker.url()  # it publishes the key under which secrets are stored
        yield made


async def belongings(person):
    """A device, a key, a guest and a reply of one's own: ids by the names that paths give them."""
    browser = Browser("https://fcm.googleapis.com/fcm/send/somebodys")
    payload = {"kind": "web", "subscription": browser.subscription}
    made = {}
    for name, path, body in [
        ("device", "/v1/devices", payload),
        ("key", "/v1/keys", {"name": "a program"}),
        ("person", "/v1/members", {"name": "a guest"}),
        ("template", "/v1/me/templates", {"kind": "reply", "text": "a reply of one's own"}),
    ]:
        answer = await person.http.post(path, json=body)
        assert answer.status_code == 201, answer.text
        told = answer.json()
        made[name] = told.get("id") or told[name]
    return made


async def a_full_task(person, world, servers, prompt="fix it"):
    """A task with artifacts, changes, an output (OUTPUT_VERSION) and the open question `req_1`."""
    task = await person.submit(prompt)
    for name, media_type, content in [
        ("diff.patch", "text/x-diff", DIFF),
        ("page.html", "text/html", b"<b>"),
    ]:
        await put(servers, f"tasks/{task}/artifacts/{name}", content)
        await world.append(person.history(task), artifact(task, name, media_type, content))
    stored = await blob(servers, task, "outputs/a.txt", OUTPUT)
    ended = ToolCompleted(call=CallId("b"), output="1 … 9", is_truncated=True, artifact=stored)
    assert await world.append(person.history(task), ended) == OUTPUT_VERSION
    changed = FileChange(path="x", change="modified", patch=DIFF.decode())
    content = encode_changes(StoredChanges(files=(changed,)))
    kept = await blob(servers, task, "changes/a.gz", content)
    taken = SnapshotTaken(tree="t", pack=kept, files=1, insertions=1, deletions=1, changes=kept)
    await world.append(person.history(task), taken)
    await world.append(person.history(task), approval_asked("req_1"))
    asked = QuestionAsked(request=RequestId("req_1"), call=CallId("c"), text="Which?")
    await world.append(person.history(task), asked)
    return task
