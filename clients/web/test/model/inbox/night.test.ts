import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Line } from "../../../src/model/inbox/inbox.ts";
import { lastEvening, nightsSum, sumSince } from "../../../src/model/inbox/night.ts";
import { ZONE } from "../histories.ts";

const MORNING = Date.parse("2026-11-28T07:30:00Z");

function line(task: string, more: Partial<Line>): Line {
  return {
    t: "line",
    task,
    version: 9,
    phase: "finished",
    title: task,
    waiting: "",
    cost_microusd: 400_000,
    updated_at: "2026-11-28T02:00:00Z",
    ...more,
  };
}

const lines = [
  line("Fix the slug", { pull_request: { number: 7, url: "u" } }),
  line("Raise the version", { phase: "failed" }),
  line("Tidy up", {
    phase: "waiting",
    waiting: "approval",
    asks: { kind: "approval", title: "$ rm x" },
  }),
  line("Old one", { updated_at: "2026-11-27T12:00:00Z" }),
  line("Seen one", {}),
  line("Put away", { is_archived: true }),
];
const seen = new Map([["Seen one", 9]]);

describe("the night's sum", () => {
  it("tells in one sentence what became of everything since last evening", () => {
    const sum = nightsSum(lines, seen, MORNING, ZONE)!;
    assert.equal(sum.sentence, "1 waits for you, 1 failed, 1 finished, 1 pull request, $1.20");
    assert.equal(sum.costMicrousd, 1_200_000);
  });

  it("names each task, first what waits for the person", () => {
    const sum = nightsSum(lines, seen, MORNING, ZONE)!;
    assert.deepEqual(
      sum.lines.map((each) => each.sentence),
      [
        "Tidy up: Allow: $ rm x",
        "Raise the version: Failed · 5 hours ago",
        "Fix the slug: Finished: pull request #7 · 5 hours ago",
      ],
    );
    assert.deepEqual(
      sum.lines.map((each) => each.isGood),
      [false, false, true],
    );
  });

  it("is there in the morning alone, and only when something happened", () => {
    const hour = 3_600_000;
    assert.equal(nightsSum(lines, seen, MORNING + 6 * hour, ZONE), null);
    assert.equal(nightsSum(lines, seen, MORNING - 5 * hour, ZONE), null);
    assert.equal(nightsSum(lines.slice(3), seen, MORNING, ZONE), null);
    assert.notEqual(sumSince(lines, seen, { since: 0, now: MORNING + 6 * hour }), null);
  });

  it("begins at six in the evening where the person is", () => {
    assert.equal(lastEvening(MORNING, ZONE), Date.parse("2026-11-27T18:00:00Z"));
    assert.equal(lastEvening(MORNING, "Asia/Tokyo"), Date.parse("2026-11-27T09:00:00Z"));
    assert.equal(lastEvening(MORNING, "America/New_York"), Date.parse("2026-11-27T23:00:00Z"));
  });
});
