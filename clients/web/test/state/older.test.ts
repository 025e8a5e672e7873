// Older events on their way into the store.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TaskState } from "../../src/model/generated/api.gen.ts";
import type { StoredEvent } from "../../src/model/generated/events.gen.ts";
import { createWriteQueue } from "../../src/state/device/write_queue.ts";
import { createKeeper } from "../../src/state/tasks/older.ts";
import { memoryStore } from "../../src/store/memory.ts";

function events(first: number, last: number): StoredEvent[] {
  return Array.from({ length: last - first + 1 }, (_, place) => {
    const version = first + place;
    return { id: `evt_${version}`, task: "task_a", version } as StoredEvent;
  });
}

test("older pages are stored a few events at a time, the newest first, and never with a gap", async () => {
  const store = memoryStore();
  const writes = createWriteQueue((error) => {
    throw error;
  });
  const idle: (() => void)[] = [];
  const keep = createKeeper({ store, writes, whenIdle: (work) => idle.push(work) }, "task_a");
  await store.startTask({ task: "task_a", version: 800, state: {} as TaskState }, 800, 1);

  keep(events(401, 800));
  keep(events(1, 400));
  const firsts: number[] = [];
  for (let work = idle.shift(); work !== undefined; work = idle.shift()) {
    assert.equal(idle.length, 0); // one at a time
    work();
    await writes.settled();
    await new Promise((resolve) => setImmediate(resolve));
    const { first } = (await store.task("task_a"))!;
    const stored = await store.events("task_a", 0, 800);
    assert.equal(stored.length, 800 - first + 1);
    firsts.push(first);
  }
  assert.equal(firsts.at(-1), 1);
  assert.ok(firsts.length > 10, `${firsts}`);
});
