import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EVENT_TYPES, type Fact } from "../../../src/model/generated/events.gen.ts";
import {
  addEvent,
  addEvents,
  emptyStory,
  findVersion,
  foldStory,
  type Row,
  storyOf,
} from "../../../src/model/story/rows.ts";
import {
  goldenEvents,
  HISTORY_NAMES,
  type HistoryName,
  history,
  longHistory,
  recorded,
  versionOf,
} from "../histories.ts";

function rowsOf<K extends Row["kind"]>(name: HistoryName, kind: K): Extract<Row, { kind: K }>[] {
  const rows = storyOf(history(name)).rows;
  return rows.filter((row) => row.kind === kind) as Extract<Row, { kind: K }>[];
}

describe("a story", () => {
  it("begins with what the person asked for and ends with what came of it", () => {
    const rows = storyOf(history("pull_request")).rows;
    const [first, last] = [rows[0]!, rows.at(-1)!];
    assert.ok(first.kind === "person" && first.mode === "submit");
    assert.ok(first.text.length > 0 && first.takenUp > 0);
    assert.ok(last.kind === "end" && last.ending === "finished");
    assert.equal(last.outcome, "pull_request");
  });

  it("shows a run of calls as one row, with the diff and the output of each inside", () => {
    const calls = rowsOf("pull_request", "tools").flatMap((row) => row.calls);
    assert.ok(calls.length > rowsOf("pull_request", "tools").length);
    assert.ok(calls.some((call) => call.diff.startsWith("--- a/")));
    assert.ok(calls.some((call) => call.state === "failed" && call.exitCode !== 0));
    assert.ok(calls.every((call) => call.state !== "running"));
  });

  it("shows plans, questions and submissions as what they are, not as calls", () => {
    for (const name of HISTORY_NAMES) {
      const tools = rowsOf(name, "tools").flatMap((row) => row.calls.map((call) => call.tool));
      assert.ok(!tools.some((tool) => ["plan", "ask", "submit"].includes(tool)), name);
    }
    assert.ok(rowsOf("pull_request", "plan").length > 0);
    assert.equal(rowsOf("question", "question").length, 1);
  });

  it("says what changed in a plan", () => {
    const [first, second] = rowsOf("pull_request", "plan");
    assert.ok(first!.changes.every((change) => change.was === ""));
    assert.ok(second!.changes.length < second!.items.length + 1);
    assert.ok(second!.changes.some((change) => change.was !== "" && change.now === "done"));
  });

  it("keeps a question with its answer, who gave it and when", () => {
    const [row] = rowsOf("question", "question");
    assert.deepEqual(row!.options, ["friend", "traveller", "Leave it as it is"]);
    assert.equal(row!.answer!.text, "friend");
    assert.match(row!.answer!.by, /^person:/);
    assert.equal(row!.to, row!.answer!.version);
  });

  it("turns an approval into a receipt: allowed, and the call it was for began", () => {
    const events = history("approval_allowed");
    const [row] = rowsOf("approval_allowed", "approval");
    assert.equal(row!.answer!.verdict, "allow");
    assert.equal(row!.answer!.digest, row!.digest);
    const began = events.find((event) => event.version === row!.actedOn)!;
    assert.ok(began.type === "tool.started" && began.call === row!.call);
    const call = rowsOf("approval_allowed", "tools")
      .flatMap((tools) => tools.calls)
      .find((each) => each.call === row!.call);
    assert.equal(call!.approval, row!.from);
  });

  it("shows a denied call as denied, with the reason, and no call that ran", () => {
    const [row] = rowsOf("approval_denied", "approval");
    assert.equal(row!.answer!.verdict, "deny");
    assert.equal(row!.answer!.reason, "they are mine");
    assert.ok(row!.actedOn > row!.answer!.version);
    const calls = rowsOf("approval_denied", "tools").flatMap((tools) => tools.calls);
    assert.ok(!calls.some((call) => call.call === row!.call));
  });

  it("shows a lost machine as one row that ends with the machine that took over", () => {
    const events = history("machine_lost");
    const [first, lost, ...others] = rowsOf("machine_lost", "machine");
    assert.equal(others.length, 0);
    assert.equal(first!.state, "ready");
    assert.equal(lost!.loss!.version, versionOf(events, "machine.lost"));
    assert.equal(lost!.state, "ready");
    assert.ok(lost!.takenUp > lost!.loss!.version);
    assert.ok(lost!.seconds > 0 && lost!.seconds < 60);
  });

  it("strikes a call through whose work was lost with its machine", () => {
    const [, lost] = rowsOf("machine_lost", "machine");
    const undone = rowsOf("machine_lost", "tools")
      .flatMap((row) => row.calls)
      .filter((call) => call.state === "undone");
    assert.deepEqual(
      undone.map((call) => call.title),
      lost!.undone,
    );
    assert.equal(undone.length, 1);
  });

  it("says which call was in flight when the machine was lost, and stops showing it as running", () => {
    const facts: Fact[] = [
      { type: "task.submitted", prompt: "p", repository: { url: "u" }, model: "m" },
      { type: "tool.started", call: "c1", tool: "bash", title: "Run the tests" },
      {
        type: "machine.lost",
        attempt: 1,
        reason: "silent",
        retry_at: "2026-11-28T14:01:00Z",
      },
    ];
    const rows = storyOf(recorded(facts)).rows;
    const [, tools, machine] = rows;
    assert.ok(tools?.kind === "tools" && machine?.kind === "machine");
    assert.equal(tools.calls[0]!.state, "interrupted");
    assert.deepEqual(machine.loss!.inFlight, ["Run the tests"]);
    assert.equal(machine.takenUp, 0);
  });

  it("keeps a budget stop and its raise in one row", () => {
    const [row, ...others] = rowsOf("budget_raised", "budget");
    assert.equal(others.length, 0);
    assert.deepEqual(
      [row!.scope, row!.limit, row!.raised!.costMicrousd],
      ["cost", 1000, 2_000_000],
    );
  });

  it("counts the denials of a host in one row until a person allows it", () => {
    const denied = { type: "egress.denied", host: "api.example.com", port: 443 } as const;
    const rows = storyOf(
      recorded([
        { ...denied, count: 1 },
        { ...denied, count: 2 },
        { ...denied, host: "10.0.0.1", count: 1, reason: "address" },
        { type: "egress.allowed", host: "api.example.com", port: 443 },
        { ...denied, count: 4 },
        { type: "egress.allowed", host: "other.example.com", port: 8443 },
      ]),
    ).rows;
    assert.deepEqual(
      rows.map((row) =>
        row.kind === "denied" ? [row.host, row.count, row.allowed?.version ?? 0] : row.kind,
      ),
      [["api.example.com", 3, 4], ["10.0.0.1", 1, 0], ["api.example.com", 4, 0], "allowed"],
    );
  });

  it("keeps the branch and the pull request in one row, and no row for snapshots", () => {
    const [row, ...others] = rowsOf("pull_request", "delivery");
    assert.equal(others.length, 0);
    assert.ok(row!.branch.startsWith("errand/"));
    assert.ok(row!.pullRequest!.number > 0);
    const story = storyOf(history("pull_request"));
    const snapshots = history("pull_request").filter((event) => event.type === "snapshot.taken");
    assert.ok(snapshots.length > 0);
    assert.ok(!story.rows.some((each) => snapshots.some((shot) => shot.version === each.from)));
  });

  it("ends with the failure and its remedy", () => {
    const [row] = rowsOf("failed", "end");
    assert.equal(row!.reason, "switched_off");
    assert.match(row!.detail, /it ran wild/);
    assert.ok(row!.remedy.length > 0);
  });

  it("says who cancelled, and why", () => {
    const [row] = rowsOf("cancelled", "end");
    assert.equal(row!.ending, "cancelled");
    assert.equal(row!.reason, "no more");
    assert.match(row!.by, /^person:/);
  });

  it("does not repeat a summary that the agent has just said", () => {
    const [row] = rowsOf("approval_denied", "end");
    assert.equal(row!.summary, "");
  });

  it("says at which call of the model an instruction was taken up", () => {
    const steer = rowsOf("steered", "person").find((row) => row.mode === "steer");
    assert.ok(steer!.takenUp > steer!.from);
  });

  it("closes a question that an instruction overtook", () => {
    const facts: Fact[] = [
      { type: "task.submitted", prompt: "p", repository: { url: "u" }, model: "m" },
      { type: "question.asked", request: "r", call: "c", text: "Which?" },
      { type: "task.instructed", text: "Never mind" },
    ];
    const row = storyOf(recorded(facts)).rows[1]!;
    assert.ok(row.kind === "question");
    assert.equal(row.closed, "instructed");
  });
});

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
});

describe("adding to a story", () => {
  it("comes to the same one event at a time, in one go, and in any two pieces", () => {
    for (const name of HISTORY_NAMES) {
      const events = history(name);
      const whole = storyOf(events);
      assert.deepEqual(events.reduce(addEvent, emptyStory()), whole, name);
      for (let cut = 0; cut <= events.length; cut += 7) {
        const begun = storyOf(events.slice(0, cut));
        assert.deepEqual(addEvents(begun, events.slice(cut)), whole, name);
      }
    }
  });

  it("changes nothing for an event that is there, and nothing of the story before", () => {
    const events = history("pull_request");
    const story = storyOf(events);
    assert.equal(addEvent(story, events[3]!), story);
    const before = storyOf(events.slice(0, 20));
    const copy = structuredClone(before);
    addEvents(before, events.slice(20));
    assert.deepEqual(before, copy);
  });

  it("gives every row a key of its own, which stays", () => {
    for (const name of HISTORY_NAMES) {
      const events = history(name);
      let story = emptyStory();
      let keys: string[] = [];
      for (const event of events) {
        story = addEvent(story, event);
        const now = story.rows.map((row) => row.key);
        assert.deepEqual(now.slice(0, keys.length), keys, name);
        assert.equal(new Set(now).size, now.length, name);
        keys = now;
      }
    }
  });

  it("begins in the middle: a call that ends without its beginning makes no row and no error", () => {
    for (const name of HISTORY_NAMES) {
      const events = history(name);
      for (let cut = 1; cut < events.length; cut++) {
        const story = storyOf(events.slice(cut));
        assert.equal(story.last, events.length);
        assert.equal(story.first, cut + 1);
      }
    }
  });

  it("takes every stored shape of every event", () => {
    for (const type of EVENT_TYPES) {
      const events = goldenEvents(type);
      assert.ok(events.length > 0, type);
      for (const event of events) {
        const begun = storyOf(history("approval_allowed").slice(0, 12));
        addEvent(begun, { ...event, version: 100 });
      }
    }
  });

  it("takes stored events in any order, with a key of its own for each row", () => {
    const all = [...EVENT_TYPES].flatMap(goldenEvents);
    let state = 7;
    const chance = () => {
      state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
      return state / 2 ** 32;
    };
    for (let round = 0; round < 500; round++) {
      const events = Array.from({ length: 60 }, (_, place) => ({
        ...all[Math.floor(chance() * all.length)]!,
        version: place + 1,
      }));
      const story = storyOf(events);
      const keys = story.rows.map((row) => row.key);
      assert.equal(new Set(keys).size, keys.length);
      const items = foldStory(story, { seen: Math.floor(chance() * 60) });
      assert.ok(items.length <= story.rows.length + 1);
    }
  });

  it("folds 10,000 events in under 100 ms, and in under a second one at a time", () => {
    const events = longHistory(10_000);
    const spans = Array.from({ length: 5 }, () => {
      const began = performance.now();
      assert.equal(storyOf(events).last, 10_000);
      return performance.now() - began;
    });
    assert.ok(Math.min(...spans) < 100, `${spans} ms`);
    const began = performance.now();
    assert.equal(events.reduce(addEvent, emptyStory()).last, 10_000);
    const took = performance.now() - began;
    assert.ok(took < 1_000, `one at a time: ${took} ms`);
  });
});

describe("a story as it is shown", () => {
  const events = history("pull_request");
  const story = storyOf(events);
  const end = events.length;

  it("folds a finished turn that was seen to one line, which can be unfolded", () => {
    const items = foldStory(story, { seen: end });
    const turn = items.find((item) => item.kind === "turn")!;
    assert.ok(turn.kind === "turn" && turn.counts.commands > 0 && turn.counts.edited > 0);
    assert.ok(items.length < story.rows.length);
    assert.deepEqual(
      items.map((item) => item.kind),
      ["person", "turn", "delivery", "end"],
    );
    const unfolded = foldStory(story, { seen: end, unfolded: new Set([turn.key]) });
    assert.deepEqual(unfolded, story.rows);
  });

  it("leaves a turn open that was not seen, under a line that says where the new begins", () => {
    const items = foldStory(story, { seen: 20 });
    const place = items.findIndex((item) => item.kind === "divider");
    assert.ok(place > 0);
    assert.ok(items.slice(place + 1).every((item) => item.from > 20));
    assert.equal(items.length, story.rows.length + 1);
  });

  it("never folds what is still going on", () => {
    const begun = storyOf(events.slice(0, 30));
    assert.deepEqual(foldStory(begun, { seen: 30 }), begun.rows);
  });

  it("opens a link to a version at the item that holds it", () => {
    const items = foldStory(story, { seen: end });
    for (const event of events) {
      const item = items[findVersion(items, event.version)]!;
      assert.ok(item.from <= event.version);
    }
    assert.equal(items[findVersion(items, 1)]!.kind, "person");
  });
});
