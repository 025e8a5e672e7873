// What seldom happens, and what is made of it.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Fact } from "../../../src/model/generated/events.gen.ts";
import { storyOf } from "../../../src/model/story/rows.ts";
import { summaryLine } from "../../../src/model/words/words.ts";
import { recorded } from "../histories.ts";

describe("what is rare", () => {
  const begun: Fact[] = [
    { type: "task.submitted", prompt: "p", repository: { url: "u" }, model: "m" },
    {
      type: "machine.requested",
      attempt: 1,
      name: "a",
      region: "r",
      guest: { cpu_kind: "shared", cpus: 1, memory_mb: 256 },
      deadline: "2026-11-28T18:00:00Z",
    },
  ];
  const kinds = (facts: readonly Fact[]) => storyOf(recorded(facts)).rows.map((row) => row.kind);

  it("a task that is taken up again gets its machine below, not where the last one never came", () => {
    const again = { ...begun[1]!, attempt: 2 } as Fact;
    assert.deepEqual(
      kinds([...begun, { type: "task.cancelled" }, { type: "task.instructed", text: "go" }, again]),
      ["person", "machine", "end", "person", "machine"],
    );
  });

  it("a call is not shown as running once its machine is gone", () => {
    const rows = storyOf(
      recorded([
        ...begun,
        { type: "attempt.started", attempt: 1, machine: "m" },
        { type: "tool.started", call: "c", tool: "bash", title: "Run the tests" },
        { type: "task.cancelled" },
        {
          type: "machine.destroyed",
          attempt: 1,
          machine: "m",
          billed_seconds: 1,
          cost_microusd: 1,
        },
      ]),
    ).rows;
    const tools = rows.find((row) => row.kind === "tools");
    assert.ok(tools?.kind === "tools");
    assert.equal(tools.calls[0]!.state, "interrupted");
  });

  it("a machine that is handed over says why, and the next one takes its place", () => {
    const rows = storyOf(
      recorded([
        ...begun,
        { type: "attempt.started", attempt: 1, machine: "m" },
        { type: "attempt.ended", attempt: 1, reason: "drained", detail: "a new version" },
        { ...begun[1]!, attempt: 2 } as Fact,
        { type: "attempt.started", attempt: 2, machine: "n" },
      ]),
    ).rows;
    const last = rows.at(-1)!;
    assert.ok(last.kind === "machine" && last.attempt === 2);
    assert.deepEqual(last.left, { reason: "drained", detail: "a new version" });
  });

  it("an instruction can be edited and withdrawn until it is taken up", () => {
    const rows = storyOf(
      recorded([
        ...begun,
        { type: "task.instructed", text: "first", mode: "queue" },
        { type: "instruction.edited", instruction: 3, text: "better" },
        { type: "task.instructed", text: "second", mode: "queue" },
        { type: "instruction.withdrawn", instruction: 5 },
        { type: "model.requested", turn: 1, model: "m", leaves_queued: true },
      ]),
    ).rows;
    const [, , first, second] = rows;
    assert.ok(first?.kind === "person" && second?.kind === "person");
    assert.deepEqual([first.text, first.takenUp, first.edited!.version], ["better", 0, 4]);
    assert.equal(second.withdrawn!.version, 6);
  });

  it("a submission that failed is shown as the call it is", () => {
    const rows = storyOf(
      recorded([
        ...begun,
        { type: "tool.started", call: "s", tool: "submit", title: "Submit: it" },
        { type: "tool.completed", call: "s", output: "refused", is_error: true },
      ]),
    ).rows;
    const last = rows.at(-1)!;
    assert.ok(last.kind === "tools" && last.calls[0]!.state === "failed");
  });

  it("model failures in a row are one row, closed by the reply that came", () => {
    const failed: Fact = {
      type: "model.failed",
      turn: 1,
      kind: "overloaded",
      detail: "busy",
      retry_at: "2026-11-28T14:01:00Z",
    };
    const replied: Fact = {
      type: "model.replied",
      turn: 1,
      stop_reason: "end_turn",
      usage: {},
      cost_microusd: 1,
    };
    const rows = storyOf(recorded([...begun, failed, failed, replied])).rows;
    const last = rows.at(-1)!;
    assert.ok(last.kind === "provider");
    assert.deepEqual([last.times, last.resumed], [2, 5]);
  });

  it("a summary has a row of its own, after the failures that came before it", () => {
    const failed: Fact = {
      type: "model.failed",
      turn: 1,
      kind: "overloaded",
      detail: "busy",
      retry_at: "2026-11-28T14:01:00Z",
    };
    const compacted: Fact = {
      type: "context.compacted",
      turn: 2,
      through: 3,
      summary: "so far",
      tokens_before: 412_345,
      tokens_after: 8_765,
    };
    const rows = storyOf(recorded([...begun, failed, compacted])).rows;
    const [before, last] = rows.slice(-2);
    assert.ok(before?.kind === "provider" && before.resumed === 4);
    assert.ok(last?.kind === "summary" && last.text === "so far");
    assert.equal(
      summaryLine(last),
      "The conversation grew long: Claude goes on from a summary of it (410,000 → 8,800 tokens)",
    );
  });
});
