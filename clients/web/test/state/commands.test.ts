// Commands that go into a dead connection.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import type { FromDevice } from "../../src/model/generated/frames.gen.ts";
import { createCommands } from "../../src/state/commands.ts";
import { createWriteQueue } from "../../src/state/device/write_queue.ts";
import { memoryStore } from "../../src/store/memory.ts";

function commandsOnALine() {
  const sent: FromDevice[] = [];
  let reconnects = 0;
  const writes = createWriteQueue((error) => {
    throw error;
  });
  const commands = createCommands({
    api: {} as never,
    store: memoryStore(),
    writes,
    drafts: {
      send: () => {},
      acknowledge: () => {},
      giveBack: () => {},
      hasImages: () => false,
    } as never,
    send: (frame) => sent.push(frame) > 0,
    isLive: () => true,
    reconnect: () => {
      reconnects += 1;
    },
    now: () => Date.now(),
    newId: () => "0198c5a2-6b1e-7d3f-9a51-3c6f0d2b8e11",
  });
  return { commands, writes, sent, reconnects: () => reconnects };
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

test("a command that is not answered is sent again on another connection", async () => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  try {
    const line = commandsOnALine();
    line.commands.send("interrupt", "task_a", {});
    await line.writes.settled();
    await turns();
    assert.equal(line.sent.length, 1);
    mock.timers.tick(7_999);
    assert.equal(line.reconnects(), 0);
    mock.timers.tick(1);
    assert.equal(line.reconnects(), 1);
    line.commands.connected();
    await turns();
    mock.timers.tick(100);
    assert.equal(line.sent.length, 2);
    assert.deepEqual(line.sent[1], line.sent[0]);
  } finally {
    mock.timers.reset();
  }
});

test("an answer in time leaves the connection alone", async () => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  try {
    const line = commandsOnALine();
    const id = line.commands.send("interrupt", "task_a", {});
    await line.writes.settled();
    await turns();
    line.commands.take([{ t: "ack", id, task: "task_a", version: 3 }]);
    mock.timers.tick(60_000);
    assert.equal(line.reconnects(), 0);
    assert.equal(line.sent.length, 1);
  } finally {
    mock.timers.reset();
  }
});
