import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { blameLine } from "../../../src/model/changes/blame.ts";
import { parseDiff } from "../../../src/model/changes/diff.ts";
import type { Fact, StoredEvent } from "../../../src/model/generated/events.gen.ts";
import { HISTORY_NAMES, history, recorded } from "../histories.ts";

const SUBMITTED: Fact = {
  type: "task.submitted",
  prompt: "Write it",
  repository: { url: "u" },
  model: "m",
};

function edit(call: string, diff: string, tool = "edit"): Fact[] {
  return [
    { type: "tool.started", call, tool, title: `Edit ${call}` },
    { type: "tool.completed", call, output: "ok", diff },
  ];
}

function command(call: string): Fact[] {
  return [
    { type: "tool.started", call, tool: "bash", title: "$ make", command: "make" },
    { type: "tool.completed", call, output: "ok" },
  ];
}

const NEW = "--- /dev/null\n+++ b/x\n@@ -0,0 +1,3 @@\n+one\n+two\n+three\n";
const CHANGED = "--- a/x\n+++ b/x\n@@ -1,3 +1,4 @@\n+zero\n one\n-two\n+TWO\n three\n";

function blame(events: readonly StoredEvent[], line: number, text: string) {
  return blameLine(events, { path: "x", line, text, version: events.length });
}

describe("who made this line", () => {
  const events = recorded([SUBMITTED, ...edit("a", NEW, "write"), ...edit("b", CHANGED)]);

  it("finds the call that wrote it, through later edits that moved it", () => {
    const by = (line: number, text: string) => {
      const found = blame(events, line, text);
      return found.kind === "call" ? found.call.call : found.kind;
    };
    assert.deepEqual(
      [by(1, "zero"), by(2, "one"), by(3, "TWO"), by(4, "three")],
      ["b", "a", "b", "a"],
    );
  });

  it("says that a line was there before, when no call wrote it", () => {
    const patch = "--- a/x\n+++ b/x\n@@ -5,1 +5,2 @@\n five\n+new\n";
    const made = recorded([SUBMITTED, ...edit("a", patch)]);
    assert.equal(blame(made, 5, "five").kind, "before");
    assert.equal(blame(made, 1, "one").kind, "before");
    assert.equal(blame(made, 9, "eight").kind, "before");
  });

  it("says that it is not known where a command may have changed the file", () => {
    const patch = "--- a/x\n+++ b/x\n@@ -5,1 +5,2 @@\n five\n+new\n";
    const made = recorded([SUBMITTED, ...edit("a", patch), ...command("c")]);
    const found = blame(made, 1, "one");
    assert.ok(found.kind === "unknown");
    assert.deepEqual(
      found.commands.map((call) => call.call),
      ["c"],
    );
  });

  it("does not blame a call that wrote something else at that place", () => {
    const made = recorded([SUBMITTED, ...edit("a", NEW, "write"), ...command("c")]);
    assert.equal(blame(made, 2, "changed since").kind, "unknown");
    assert.equal(blame(made, 2, "two").kind, "call");
  });

  it("does not read on in a diff that was cut", () => {
    const cut = "--- a/x\n+++ b/x\n@@ -1,9 +1,9 @@\n one\n[… cut …]\n";
    assert.equal(blame(recorded([SUBMITTED, ...edit("a", cut)]), 1, "one").kind, "unknown");
  });

  it("names the words before, the instruction and the cost, of every line that was recorded", () => {
    let lines = 0;
    for (const name of HISTORY_NAMES) {
      const all = history(name);
      for (const event of all) {
        if (event.type !== "tool.completed" || !event.diff) continue;
        for (const file of parseDiff(event.diff)) {
          for (const line of file.hunks.flatMap((hunk) => hunk.lines)) {
            if (line.kind !== "added" || line.text.trim() === "") continue;
            const place = { path: file.path, line: line.number, text: line.text };
            const found = blameLine(all, { ...place, version: event.version });
            assert.ok(found.kind === "call", `${name} ${file.path}:${line.number}`);
            assert.equal(found.call.call, event.call);
            assert.equal(found.asked!.mode, "submit");
            assert.ok(found.said !== null && found.said.from < found.call.from);
            assert.ok(found.costMicrousd > 0);
            lines += 1;
          }
        }
      }
    }
    assert.ok(lines > 10);
  });

  it("names the approval under which it was written", () => {
    const all = history("approval_for_task");
    const asked = all.find((event) => event.type === "approval.requested");
    assert.ok(asked?.type === "approval.requested");
    const done = all.find((each) => each.type === "tool.completed" && each.call === asked.call);
    assert.ok(done?.type === "tool.completed");
    if (!done.diff) return assert.equal(asked.tool, "bash");
    const file = parseDiff(done.diff)[0]!;
    const line = file.hunks[0]!.lines.find((each) => each.kind === "added")!;
    const place = { path: file.path, line: line.number, text: line.text };
    const found = blameLine(all, { ...place, version: done.version });
    assert.ok(found.kind === "call");
    assert.equal(found.approval!.from, asked.version);
  });
});
