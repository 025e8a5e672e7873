import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Fact, StoredEvent } from "../../../src/model/generated/events.gen.ts";
import { taskClock } from "../../../src/model/past/clock.ts";
import { HISTORY_NAMES, history, recorded } from "../histories.ts";

function sum(spent: Readonly<Record<string, number>>): number {
  return Object.values(spent).reduce((total, each) => total + each, 0);
}

/** The same events, those from a version on so many seconds later. */
function later(events: StoredEvent[], version: number, seconds: number): StoredEvent[] {
  return events.map((event) =>
    event.version < version
      ? event
      : { ...event, at: new Date(Date.parse(event.at) + seconds * 1000).toISOString() },
  );
}

describe("the honest clock", () => {
  it("adds up to the time that went by, for every history and every beginning of one", () => {
    for (const name of HISTORY_NAMES) {
      const events = history(name);
      for (let end = 1; end <= events.length; end++) {
        const { spent, wall } = taskClock(events.slice(0, end));
        assert.ok(Math.abs(sum(spent) - wall) < 1e-6, name);
        assert.ok(Object.values(spent).every((each) => each >= 0));
      }
    }
  });

  it("gives the person the time between a question and its answer, and nobody else", () => {
    const events = history("question");
    const answered = events.find((event) => event.type === "question.answered")!.version;
    const slow = taskClock(later(events, answered, 2_460));
    const fast = taskClock(events);
    assert.ok(Math.abs(slow.spent.person - fast.spent.person - 2_460) < 1e-6);
    assert.ok(Math.abs(slow.spent.tools - fast.spent.tools) < 1e-6);
  });

  it("gives the person the time until an approval and until a raise", () => {
    for (const [name, type] of [
      ["approval_allowed", "approval.answered"],
      ["budget_raised", "budget.raised"],
    ] as const) {
      const events = history(name);
      const version = events.find((event) => event.type === type)!.version;
      const more = taskClock(later(events, version, 100)).spent.person;
      assert.ok(Math.abs(more - taskClock(events).spent.person - 100) < 1e-6, name);
    }
  });

  it("gives tools and model what they took, and the machine its start", () => {
    const { spent } = taskClock(history("machine_lost"));
    assert.ok(spent.tools > 2 && spent.model > 0.5 && spent.machine > 3);
    assert.equal(spent.person, 0);
  });

  it("counts time after the end as nobody's", () => {
    const events = history("pull_request");
    const end = Date.parse(events.at(-1)!.at);
    const clock = taskClock(events, end + 3_600_000);
    assert.ok(clock.spent.ended >= 3_600);
    assert.ok(Math.abs(sum(clock.spent) - clock.wall) < 1e-6);
  });

  it("goes on until now with what is open", () => {
    const facts: Fact[] = [
      { type: "task.submitted", prompt: "p", repository: { url: "u" }, model: "m" },
      { type: "budget.exhausted", scope: "cost", spent: 1, limit: 1 },
    ];
    const events = recorded(facts);
    const now = Date.parse(events[1]!.at) + 60_000;
    assert.equal(taskClock(events, now).spent.person, 60);
  });
});
