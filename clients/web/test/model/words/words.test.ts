import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Row } from "../../../src/model/story/rows.ts";
import { storyOf } from "../../../src/model/story/rows.ts";
import { dayNumber, hourOf } from "../../../src/model/words/numbers.ts";
import {
  activity,
  ago,
  approvalReceipt,
  budgetLine,
  clockSpan,
  duration,
  endLine,
  freshness,
  limit,
  machineLine,
  money,
  questionReceipt,
  type Standing,
  sentence,
  size,
  time,
  toolsLine,
  truth,
  unbroken,
  who,
} from "../../../src/model/words/words.ts";
import { BEGAN, type HistoryName, history, ZONE } from "../histories.ts";

const NOW = { now: BEGAN, zone: ZONE };

function one<K extends Row["kind"]>(name: HistoryName, kind: K, place = 0) {
  const rows = storyOf(history(name)).rows.filter((row) => row.kind === kind);
  return rows.at(place) as Extract<Row, { kind: K }>;
}

function standing(more: Partial<Standing>): Standing {
  return {
    phase: "working",
    waiting: "",
    activity: "",
    model: "claude-sonnet-5-5",
    cost_microusd: 310_000,
    updated_at: new Date(BEGAN - 134_000).toISOString(),
    pull_request: null,
    outcome: "",
    ...more,
  };
}

describe("numbers", () => {
  it("write money in dollars and cents", () => {
    assert.deepEqual([0, 42, 420_000, 1_234_500_000].map(money), [
      "$0.00",
      "<$0.01",
      "$0.42",
      "$1,234.50",
    ]);
    assert.deepEqual([2_000_000, 2_500_000].map(limit), ["$2", "$2.50"]);
  });

  it("write spans of time as short as they may be", () => {
    assert.deepEqual([0, 0.44, 9.94, 38, 125, 600, 3599, 4800, 90_000, 86_400].map(duration), [
      "0 s",
      "0.4 s",
      "9.9 s",
      "38 s",
      "2 min 5 s",
      "10 min",
      "59 min",
      "1 h 20 min",
      "1 d 1 h",
      "1 d",
    ]);
    assert.deepEqual([0, 134, 3734].map(clockSpan), ["00:00", "02:14", "1:02:14"]);
  });

  it("write sizes", () => {
    assert.deepEqual([0, 812, 4100, 999_900, 2_340_000].map(size), [
      "0 B",
      "812 B",
      "4.1 kB",
      "1 MB",
      "2.3 MB",
    ]);
  });

  it("write how long ago, by the person's days", () => {
    const before = (seconds: number) => ago(BEGAN - seconds * 1000, BEGAN, ZONE);
    assert.deepEqual([3, 40, 200, 7200].map(before), [
      "just now",
      "40 s ago",
      "3 min ago",
      "2 hours ago",
    ]);
    assert.equal(before(86_400), "yesterday");
    assert.equal(before(16 * 86_400), "12 Nov");
  });

  it("write the time of day, and the day where it is another", () => {
    assert.equal(time("2026-11-28T14:02:00Z", BEGAN, ZONE), "14:02");
    assert.equal(time("2026-11-24T14:02:00Z", BEGAN, ZONE), "Tue 14:02");
    assert.equal(time("2026-11-12T14:02:00Z", BEGAN, ZONE), "12 Nov, 14:02");
    assert.equal(time("2026-11-28T23:30:00Z", BEGAN, "Asia/Tokyo"), "Sun 08:30");
  });

  it("are of the device's own zone where none is named", () => {
    const zone = new Intl.DateTimeFormat().resolvedOptions().timeZone;
    for (let hours = 0; hours < 400 * 24; hours += 5) {
      const at = BEGAN - hours * 3_600_000;
      assert.equal(time(at, BEGAN), time(at, BEGAN, zone));
      assert.equal(dayNumber(at), dayNumber(at, zone));
      assert.equal(hourOf(at), hourOf(at, zone));
    }
  });
});

describe("the sentence of truth", () => {
  it("says what the agent does, since when, at what cost", () => {
    const state = standing({ activity: "Run the tests", budget: { cost_microusd: 2_000_000 } });
    assert.equal(sentence(truth(state, NOW)), "Claude is running the tests · 02:14 · $0.31 of $2");
  });

  it("says that it waits for the person, and for what", () => {
    const said = truth(standing({ phase: "waiting", waiting: "approval" }), NOW);
    assert.equal(said.what, "Waits for you: 1 approval");
    assert.ok(said.isWaiting);
    const budget = truth(standing({ phase: "waiting", waiting: "budget" }), NOW);
    assert.equal(budget.what, "Waits for you: the budget is spent");
  });

  it("does not call it the person's when the provider is away", () => {
    const state = standing({
      phase: "waiting",
      waiting: "provider",
      retry_at: "2026-11-28T14:05:00Z",
    });
    const said = truth(state, NOW);
    assert.ok(!said.isWaiting);
    assert.equal(said.what, "The model provider does not answer; goes on at 14:05");
  });

  it("says that a machine is starting", () => {
    const state = standing({ phase: "starting", since: "2026-11-28T13:59:56Z", cost_microusd: 0 });
    assert.equal(sentence(truth(state, NOW)), "Machine is starting · 4 s · $0.00");
  });

  it("turns titles of calls into what the agent is doing", () => {
    const doing = (title: string) => activity(title, "Claude");
    assert.equal(doing("Read words.py"), "Claude is reading words.py");
    assert.equal(doing("Edit words.py +1 \u22121"), "Claude is editing words.py");
    assert.equal(doing("Search for class Stock\\b"), "Claude is searching for class Stock\\b");
    assert.equal(doing("$ rm -rf build"), "Claude is running rm -rf build");
    assert.equal(doing("Thinking"), "Claude is thinking");
    assert.equal(doing("Tidy $1 up"), "Claude: Tidy $1 up");
  });

  it("says how fresh the screen is", () => {
    const since = Date.parse("2026-11-28T13:58:00Z");
    assert.equal(freshness({ kind: "live", since }, 412, NOW), "complete through #412");
    assert.equal(freshness({ kind: "live", since }, 412, NOW, 900), "#412 of #900");
    assert.equal(freshness({ kind: "offline", since }, 412, NOW), "offline since 13:58");
  });
});

describe("rows in words", () => {
  const me = history("approval_denied")[0]!.by.slice("person:".length);
  const people = { me, names: new Map([["per_b", "Ben"]]) };

  it("sum a run of calls up", () => {
    const line = toolsLine(one("pull_request", "tools").calls);
    assert.match(line, /^(Read|Searched|Edited|Ran) .+ · \d/);
  });

  it("give a receipt of who allowed or denied what, and when", () => {
    const denied = one("approval_denied", "approval");
    const words = approvalReceipt(denied, people, { now: Date.parse(denied.at), zone: ZONE });
    assert.match(words, /^You denied this at \d\d:\d\d: “they are mine”$/);
    const other = approvalReceipt(denied, { me: "per_x" }, NOW);
    assert.match(other, /^Another member denied/);
  });

  it("give a receipt of an answer", () => {
    const row = one("question", "question");
    assert.match(questionReceipt(row, people, NOW), / answered at /);
  });

  it("tell of a lost machine without drama", () => {
    const row = one("machine_lost", "machine", -1);
    assert.match(
      machineLine(row, NOW),
      /^Machine lost at #16\. Nothing was in flight; a new machine has the task at #20, [\d.]+ s\. The work of 1 call was not kept; the agent knows\.$/,
    );
    const flight = { ...row, undone: [], loss: { ...row.loss!, inFlight: ["Run the tests"] } };
    assert.match(machineLine(flight, NOW), /One command was in flight, nothing else; a new/);
  });

  it("tell of a budget stop and who raised it", () => {
    const row = one("budget_raised", "budget");
    const words = budgetLine(row, { me: row.raised!.by.slice("person:".length) }, NOW);
    assert.match(words, /^Budget spent: \$0\.00 of <\$0\.01\. You added \$2\.00 at /);
  });

  it("tell who cancelled", () => {
    const row = one("cancelled", "end");
    assert.equal(endLine(row, { me: "" }), "Another member cancelled the task: no more");
  });

  it("name people", () => {
    assert.equal(who("person:per_b", people), "Ben");
    assert.equal(who("operator", people), "The operator");
    assert.equal(who("worker:2", people), "Claude");
  });
});

it("a span of time is never broken across lines", () => {
  assert.equal(unbroken("Edit a.py · 2 min 40 s"), "Edit a.py ·\u00a02\u00a0min\u00a040\u00a0s");
  assert.equal(unbroken("Ran 2 commands · 4.2 s"), "Ran 2 commands ·\u00a04.2\u00a0s");
  assert.equal(unbroken("12 steps, 3 h ago"), "12 steps, 3\u00a0h ago");
});
