// What the rows of a story say.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Fact } from "../../../src/model/generated/events.gen.ts";
import { addEvents, type Row, storyOf } from "../../../src/model/story/rows.ts";
import { HISTORY_NAMES, type HistoryName, history, recorded, versionOf } from "../histories.ts";

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

  it("shows a set-up while it runs, and then how it ended, with the remedy", () => {
    const prepared: Fact = {
      type: "workspace.prepared",
      commit: "c0",
      base: "main",
      branch: "errand/t",
      seconds: 1,
      environment: "detected",
    };
    const ended: Fact = {
      type: "environment.prepared",
      source: "detected",
      definition: { setup: "npm ci" },
      reason: "detected from package-lock.json",
      exit_code: 7,
      output: "not found",
      problem: "Set-up ended with exit code 7.",
    };
    const story = storyOf(recorded([prepared]));
    const [running] = story.rows;
    assert.ok(running?.kind === "setup" && running.call.state === "running");
    const [failed] = addEvents(story, recorded([ended], 2)).rows;
    assert.ok(failed?.kind === "setup" && failed.call.state === "failed");
    assert.deepEqual([failed.call.command, failed.call.exitCode], ["npm ci", 7]);
    assert.equal(failed.why, "detected from package-lock.json");
    assert.match(failed.problem, /exit code 7/);
    const lost: Fact = { type: "attempt.started", attempt: 2, machine: "m2" };
    const [stopped] = addEvents(story, recorded([lost], 2)).rows;
    assert.ok(stopped?.kind === "setup" && stopped.call.state === "interrupted");
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
