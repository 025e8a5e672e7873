"""The web app's state in Chromium, against a whole stack: what is shown, kept, and sent."""

import json

import httpx
import pytest

from tests.kit.run.phone import repository, signed_in
from tests.kit.web_app.node import compiled_web_app, require_node
from tests.kit.web_app.state_page import state_page

OPEN = """
const view = app.tasks.open(given);
await until(() => view.state.value !== null);
"""
ENDED = """
await until(() => ["finished", "failed"].includes(view.state.value?.phase));
"""


@pytest.fixture
async def device(chromium, stack):
    require_node()
    async with state_page(chromium, stack.gateway_url) as page:
        await page.sign_in((await stack.pair()).code)
        yield page


async def submitted(device, stack, prompt="The tests fail, fix it."):
    made = await repository(stack, "slugify")
    args = {"prompt": prompt, "repository": {"url": made.url}}
    return await device.run(
        """
        const id = app.commands.send("submit", "", given);
        const receipt = await until(() => {
          const found = app.commands.receipts.value.get(id);
          return found.state === "logged" && found;
        });
        return receipt.task;
        """,
        args,
    )


async def test_a_task_that_is_sent_is_followed_to_its_end_as_the_gateway_has_it(device, stack):
    task = await submitted(device, stack)
    shown = await device.run(
        OPEN
        + ENDED
        + """
        const versions = view.events.value.map((event) => event.version);
        await until(() => app.inbox.lines.value.some((line) => line.phase === "finished"));
        return { state: view.state.value, versions, rows: view.story.value.rows.length };
        """,
        task,
    )
    phone = await signed_in(stack)
    kept = await phone.get(f"/v1/tasks/{task}/state", at=shown["state"]["version"])
    await phone.close()

    assert shown["state"] == kept["state"]
    assert shown["versions"] == list(range(1, shown["state"]["version"] + 1))
    assert shown["rows"] > 3


async def test_what_came_is_there_without_a_network_and_what_is_typed_outlives_the_page(
    device, stack
):
    task = await submitted(device, stack)
    version = await device.run(
        OPEN
        + ENDED
        + """
        const draft = app.drafts.get(`${given}/reply`);
        await draft.ready;
        draft.text.value = "Use the old na";
        app.inbox.markSeen(given, 3);
        return view.state.value.version;
        """,
        task,
    )
    await device.page.context.set_offline(True)
    await device.load()
    found = await device.run(
        OPEN
        + """
        const draft = app.drafts.get(`${given}/reply`);
        await draft.ready;
        const line = app.inbox.lines.value.find((each) => each.task === given);
        return {
          text: draft.text.value,
          through: view.through.value,
          unseen: view.firstUnseen,
          title: line.title,
          kind: app.connection.status.value.kind,
        };
        """,
        task,
    )
    assert found["text"] == "Use the old na"
    assert found["through"] >= version  # the end of its machine may come after
    assert found["unseen"] == 4
    assert found["title"] == "The tests fail, fix it."
    assert found["kind"] != "live"


HOLD = """
const open = indexedDB.open("errand");
const base = await new Promise((done) => { open.onsuccess = () => done(open.result); });
const held = base.transaction([...base.objectStoreNames], "readwrite");
let isHeld = true;
const stay = () => {
  if (isHeld) held.objectStore("seen").count().onsuccess = stay;
};
stay();
"""


async def test_nothing_is_said_to_be_kept_before_it_is_stored(device, stack):
    task = await submitted(device, stack)
    found = await device.run(
        OPEN
        + ENDED
        + "await until(() => view.kept.value === view.through.value);"
        + HOLD
        + """
        const before = view.through.value;
        const headers = { "Idempotency-Key": crypto.randomUUID() };
        await app.api.post(`/v1/tasks/${given}/instructions`, { text: "Elsewhere" }, headers);
        const mine = app.commands.send("instruct", given, { text: "From here" });
        await until(() => view.through.value > before);
        const whileHeld = {
          isKept: view.kept.value > before,
          receipt: app.commands.receipts.value.get(mine).state,
        };
        isHeld = false;
        await until(() => view.kept.value === view.through.value);
        await until(() => app.commands.receipts.value.get(mine).state === "logged");
        base.close();
        return whileHeld;
        """,
        task,
    )
    assert found == {"isKept": False, "receipt": "keeping"}


async def test_what_is_sent_without_a_network_goes_out_once_when_it_is_back(device, stack):
    task = await submitted(device, stack)
    await device.run(OPEN + ENDED + "window.view = view;", task)
    await device.page.context.set_offline(True)
    await device.run(
        """
        await until(() => app.connection.status.value.kind === "offline");
        const draft = app.drafts.get(`${given}/reply`);
        draft.text.value = "Once more";
        window.sent = app.commands.send("instruct", given, { text: "Once more", mode: "steer" },
          { draft: draft.key });
        if (draft.text.value !== "") throw new Error("the field still has the words");
        """,
        task,
    )
    await device.load()  # the tab is killed before anything went out
    await device.page.context.set_offline(False)
    found = await device.run(
        OPEN
        + """
        await until(() => [...app.commands.receipts.value.values()].some(
          ({ state }) => state === "logged" || state === "acted"));
        await until(() => view.events.value.some((event) => event.text === "Once more"));
        return view.events.value.filter((event) => event.text === "Once more").length;
        """,
        task,
    )
    assert found == 1


async def test_a_refused_instruction_comes_back_into_its_field(device):
    found = await device.run(
        """
        const draft = app.drafts.get("task_unknown/reply");
        await draft.ready;
        draft.text.value = "Hello";
        const id = app.commands.send("instruct", "task_unknown", { text: "Hello" },
          { draft: draft.key });
        await until(() => app.commands.receipts.value.get(id).state === "refused");
        await until(() => draft.text.value !== "");
        return draft.text.value;
        """
    )
    assert found == "Hello"


async def test_signing_out_leaves_nothing_on_the_device(device, stack):
    await submitted(device, stack)
    left = await device.run(
        """
        await app.session.signOut();
        const { openDB } = await import("idb");
        const database = await openDB("errand");
        const counts = {};
        for (const name of database.objectStoreNames) counts[name] = await database.count(name);
        return counts;
        """
    )
    assert len(left) == 8
    assert set(left.values()) == {0}
    assert await device.run("return app.connection.status.value.kind") != "live"


async def another_persons_code(stack):
    headers = {"Authorization": f"Bearer {stack.stack.operator_token}"}
    async with httpx.AsyncClient(base_url=stack.gateway_url, headers=headers) as operator:
        answer = await operator.post("/v1/pairings", json={"account": "somebody-else"})
    return answer.json()["code"]


async def test_nothing_is_shown_to_or_sent_for_another_person_who_signs_in_beside(device, stack):
    await submitted(device, stack)
    found = await device.run(
        """
        await until(() => app.inbox.lines.value.length > 0);
        const ada = app.session.me.value.person;
        const body = { code: given, transport: "cookie", device: { name: "x", platform: "web" } };
        const answer = await fetch("/v1/sessions", {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify(body),
        });
        const { person } = await answer.json();
        app.connection.retry(); // as this window does after a while by itself
        await until(() => app.session.me.value?.person === person);
        await until(() => app.connection.status.value.kind === "live");
        const { openDB } = await import("idb");
        const database = await openDB("errand");
        return {
          isAnother: person !== ada,
          lines: app.inbox.lines.value.length,
          receipts: app.commands.receipts.value.size,
          stored: await database.count("events"),
        };
        """,
        await another_persons_code(stack),
    )
    assert found == {"isAnother": True, "lines": 0, "receipts": 0, "stored": 0}


async def test_the_store_in_the_browser_does_what_every_store_does(chromium, stack):
    require_node()
    async with state_page(chromium, stack.gateway_url) as page:
        failed = await page.run(
            """
            const { STORE_TESTS } = await import("/under-test/app/test/store/contract.js");
            const { idbStore } = await import("/under-test/app/src/store/idb.js");
            const failed = [];
            for (const [place, { name, run }] of STORE_TESTS.entries()) {
              try { await run(idbStore(`test-${place}`)); }
              catch (error) { failed.push(`${name}: ${error}`); }
            }
            return failed.length || STORE_TESTS.length < 10 ? failed : [];
            """
        )
    assert failed == [], json.dumps(failed, indent=2)
    assert (compiled_web_app() / "test" / "store" / "contract.js").exists()


async def test_images_go_with_the_words_they_were_added_to(device, stack):
    made = await repository(stack, "slugify")
    event = await device.run(
        """
        const canvas = document.createElement("canvas");
        const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
        const draft = app.drafts.get("/prompt");
        await draft.ready;
        draft.text.value = "The tests fail, fix it.";
        draft.images.value = [{ id: "i1", name: "a.png", blob }];
        const args = { prompt: draft.text.value, repository: { url: given } };
        const id = app.commands.send("submit", "", args, { draft: draft.key });
        if (draft.images.value.length > 0) throw new Error("the field still has the image");
        const receipt = await until(() => {
          const found = app.commands.receipts.value.get(id);
          return found.state === "logged" && found;
        });
        const view = app.tasks.open(receipt.task);
        await until(() => view.events.value.length > 0);
        return view.events.value[0];
        """,
        made.url,
    )
    (attached,) = event["attachments"]
    assert (attached["name"], attached["media_type"]) == ("a.png", "image/png")
