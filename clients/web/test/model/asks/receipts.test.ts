import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  answerSteps,
  answerTo,
  closedSentence,
  coveredCalls,
  coveredWords,
  receiptSentence,
  sealOf,
} from "../../../src/model/asks/receipts.ts";
import type { Problem } from "../../../src/model/generated/api.gen.ts";
import type { Fact } from "../../../src/model/generated/events.gen.ts";
import type { Command, Receipt } from "../../../src/model/protocol/receipt.ts";
import { type ApprovalRow, storyOf } from "../../../src/model/story/rows.ts";
import { BEGAN, type HistoryName, history, recorded, ZONE } from "../histories.ts";

const NOW = { now: BEGAN, zone: ZONE };

function approval(name: HistoryName): ApprovalRow {
  const row = storyOf(history(name)).rows.find((each) => each.kind === "approval");
  assert.ok(row?.kind === "approval");
  return row;
}

function command(op: Command["op"], args: unknown, task = "t"): Command {
  return { id: `${op}-1`, op, task, args: args as never, at: BEGAN };
}

const problem = { detail: "This was answered already.", retryable: false } as Problem;

function receipts(...all: Receipt[]): ReadonlyMap<string, Receipt> {
  return new Map(all.map((each, place) => [`${place}`, each]));
}

describe("the life of a command", () => {
  const of = command("approve", { request: "r", verdict: "allow", digest: "d" });

  it("has a sentence for each step", () => {
    const at = BEGAN;
    const told = (receipt: Receipt) => receiptSentence(receipt, ZONE);
    assert.equal(told({ command: of, at, state: "keeping" }), "Not kept on this phone yet");
    assert.match(told({ command: of, at, state: "kept" }), /^Kept on this phone/);
    assert.equal(told({ command: of, at, state: "sent", problem: null }), "Sent");
    const logged = { command: of, at, state: "logged", task: "t", version: 413 } as const;
    assert.equal(
      told({ ...logged, loggedAt: "2026-11-28T14:02:07Z" }),
      "In the log at #413 (14:02:07)",
    );
    assert.equal(told({ command: of, at, state: "refused", problem }), problem.detail);
  });

  it("goes from this phone into the log and on, each step by a real event", () => {
    const row = approval("approval_allowed");
    const kept: Receipt = { command: of, at: BEGAN, state: "kept" };
    const open = { ...row, answer: null, actedOn: 0 };
    const done = (receipt: Receipt) => answerSteps(open, receipt, ZONE).map((step) => step.isDone);
    assert.deepEqual(done({ ...kept, state: "keeping" }), [false, false, false, false]);
    assert.deepEqual(done(kept), [true, false, false, false]);
    const steps = answerSteps(row, { ...kept, state: "sent", problem: null }, ZONE);
    assert.ok(steps.every((step) => step.isDone));
    assert.deepEqual(
      steps.map((step) => step.version),
      [0, 0, row.answer!.version, row.actedOn],
    );
    assert.equal(steps[3]!.words, `Claude went on at #${row.actedOn}`);
  });

  it("ends with the digest that was allowed and the one that ran", () => {
    const seal = sealOf(approval("approval_allowed"))!;
    assert.ok(seal.isSame && seal.allowed.length === 64);
    assert.equal(sealOf(approval("approval_denied")), null);
    const other = approval("approval_allowed");
    assert.equal(sealOf({ ...other, digest: "another" })!.isSame, false);
  });

  it("is found by the request it answers; the newest counts", () => {
    const older: Receipt = { command: of, at: BEGAN - 1, state: "kept" };
    const newer: Receipt = { command: of, at: BEGAN, state: "sent", problem: null };
    const all = receipts(newer, older);
    assert.equal(answerTo(all, "t", "r"), newer);
    assert.equal(answerTo(all, "t", "another"), null);
    assert.equal(answerTo(all, "another", "r"), null);
  });
});

describe("an approval for the whole task", () => {
  it("names the later calls that it covered", () => {
    const { rows } = storyOf(history("approval_for_task"));
    const row = approval("approval_for_task");
    const covered = coveredCalls(rows, row);
    assert.ok(covered.length > 0);
    assert.ok(covered.every((call) => call.from > row.answer!.version));
    assert.ok(covered.every((call) => ["bash", "edit", "write"].includes(call.tool)));
    assert.ok(!covered.some((call) => call.call === row.call));
    assert.match(coveredWords(covered), /^This approval covered \d+ later calls?$/);
    assert.deepEqual(coveredCalls(rows, approval("approval_allowed")), []);
  });

  it("covers, where only what is risky is asked about, commands of the same risks alone", () => {
    const answer = { type: "approval.answered", request: "r", digest: "d" } as const;
    const began = (call: string, text: string): Fact => ({
      type: "tool.started",
      call,
      tool: "bash",
      title: text,
      command: text,
    });
    const facts: Fact[] = [
      { type: "task.submitted", prompt: "p", repository: { url: "u" }, model: "m" },
      {
        type: "approval.requested",
        request: "r",
        call: "c1",
        tool: "bash",
        title: "t",
        digest: "d",
        covers: "deleting files",
        risks: ["deleting files"],
        expires_at: "2026-11-29T00:00:00Z",
        command: "rm a",
      },
      { ...answer, verdict: "allow", scope: "task" },
      began("c1", "rm a"),
      began("c2", "ls"),
      began("c3", "rm b"),
      began("c4", "rm c && git push"),
    ];
    const { rows } = storyOf(recorded(facts));
    const row = rows.find((each) => each.kind === "approval");
    assert.ok(row?.kind === "approval");
    assert.deepEqual(
      coveredCalls(rows, row).map((call) => call.call),
      ["c3"],
    );
  });
});

describe("an ask that was overtaken", () => {
  it("says by whom, when, why, and that nothing was done", () => {
    const row = approval("approval_denied");
    const moment = { now: Date.parse(row.answer!.at) + 2_000, zone: ZONE };
    assert.equal(
      closedSentence(row, { me: row.answer!.by.slice("person:".length) }, moment),
      "Denied on another device just now: “they are mine”; nothing was done",
    );
    const names = new Map([[row.answer!.by.slice("person:".length), "Ben"]]);
    assert.equal(
      closedSentence(row, { me: "per_x", names }, { ...moment, now: moment.now + 120_000 }),
      "Denied by Ben 2 min ago: “they are mine”; nothing was done",
    );
  });

  it("says when it expired, and nothing while it is open", () => {
    const row = { ...approval("approval_denied"), answer: null };
    const before = { ...NOW, now: Date.parse(row.expiresAt) - 1 };
    assert.equal(closedSentence(row, { me: "" }, before), "");
    const after = { ...NOW, now: Date.parse(row.expiresAt) };
    assert.match(closedSentence(row, { me: "" }, after), /counts as denied; nothing was done/);
  });
});
