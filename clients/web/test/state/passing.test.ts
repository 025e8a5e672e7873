// What passes is gone with the event that has the whole of it, whichever comes first.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { StoredEvent } from "../../src/model/generated/events.gen.ts";
import type { Ephemeral } from "../../src/model/generated/frames.gen.ts";
import { createPassing } from "../../src/state/tasks/passing.ts";

const AT_ONCE = { request: (work: () => void) => work() };

function piece(block: string, text: string, offset = 0): Ephemeral {
  return { t: "eph", task: "task_1", kind: "text", block, offset, text };
}

function event(fact: object): StoredEvent {
  const envelope = { id: "evt_1", task: "task_1", version: 9, at: "", by: "worker:1", cause: "" };
  return { ...envelope, ...fact } as StoredEvent;
}

const replied = (turn: number) => event({ type: "model.replied", turn });
const completed = (call: string) => event({ type: "tool.completed", call });

test("a block is shown until the event that ends it", () => {
  const passing = createPassing(AT_ONCE);
  passing.add(piece("7.0", "The caches"));
  passing.add(piece("7.0", " are gone.", 10));
  assert.equal(passing.blocks.value.get("7.0")?.text.value, "The caches are gone.");
  passing.endedBy(replied(7));
  assert.equal(passing.blocks.value.size, 0);
});

test("a piece that comes after the event shows nothing again", () => {
  const passing = createPassing(AT_ONCE);
  passing.endedBy(replied(7));
  passing.endedBy(completed("call_1"));
  passing.add(piece("7.0", "e caches are gone.", 8));
  passing.add(piece("call_1", "12 passed"));
  assert.equal(passing.blocks.value.size, 0);
});

test("a stop and a lost machine end what was being said", () => {
  for (const type of ["task.interrupted", "machine.lost"]) {
    const passing = createPassing(AT_ONCE);
    passing.add(piece("7.0", "Call 5 of 30"));
    passing.endedBy(event({ type }));
    assert.equal(passing.blocks.value.size, 0, type);
  }
});

test("the next turn and the next call are shown", () => {
  const passing = createPassing(AT_ONCE);
  passing.endedBy(replied(7));
  passing.endedBy(completed("call_1"));
  passing.add(piece("8.0", "Now"));
  passing.add(piece("call_2", "collecting"));
  assert.deepEqual([...passing.blocks.value.keys()], ["8.0", "call_2"]);
});
