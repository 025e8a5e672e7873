// What the list says of commands that are on their way.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Problem } from "../../../src/model/generated/api.gen.ts";
import { answerSentence, sentTasks, unsentCount } from "../../../src/model/inbox/sent.ts";
import type { Command, Receipt } from "../../../src/model/protocol/receipt.ts";

const PROBLEM: Problem = {
  type: "about:blank",
  title: "Conflict",
  status: 409,
  detail: "This question was answered with “Green”.",
  code: "question_answered",
  errors: [],
  retryable: false,
  request_id: "",
};
const SUBMIT: Command = {
  id: "1",
  op: "submit",
  task: "",
  at: 0,
  args: { prompt: "Fix the slug\nwith a test", repository: { url: "https://a/b/c" } },
};
const ANSWER: Command = {
  id: "2",
  op: "answer",
  task: "task_a",
  at: 0,
  args: { request: "req_1", text: "Green" },
};
const LOGGED = { state: "logged", task: "task_a", version: 7, loggedAt: null } as const;

function receipts(...all: Receipt[]): Map<string, Receipt> {
  return new Map(all.map((receipt) => [receipt.command.id, receipt]));
}

test("a task that has not left the device is shown with its first line, and can be taken out", () => {
  const [sent] = sentTasks(receipts({ command: SUBMIT, at: 0, state: "kept" }), new Set());
  assert.match(sent!.title, /^Fix the slug/);
  assert.match(sent!.sentence, /Kept on this phone/);
  assert.equal(sent!.canWithdraw, true);
});

test("a task that the list has is not shown a second time", () => {
  const logged = receipts({ command: SUBMIT, at: 0, ...LOGGED });
  assert.equal(sentTasks(logged, new Set(["task_a"])).length, 0);
  assert.equal(sentTasks(logged, new Set()).length, 1);
});

test("a refused task says why", () => {
  const refused = receipts({ command: SUBMIT, at: 0, state: "refused", problem: PROBLEM });
  const [sent] = sentTasks(refused, new Set());
  assert.equal(sent!.isRefused, true);
  assert.equal(sent!.sentence, PROBLEM.detail);
});

test("what is kept or sent counts as not arrived", () => {
  const all = receipts(
    { command: SUBMIT, at: 0, state: "kept" },
    { command: ANSWER, at: 0, state: "sent", problem: null },
    { command: { ...ANSWER, id: "3" }, at: 0, ...LOGGED },
  );
  assert.equal(unsentCount(all), 2);
});

test("an answer is found by its request, of its task alone", () => {
  const all = receipts({ command: ANSWER, at: 0, ...LOGGED });
  assert.equal(answerSentence(all, "task_a", "req_1"), "In the log at #7");
  assert.equal(answerSentence(all, "task_b", "req_1"), "");
  assert.equal(answerSentence(all, "task_a", "req_2"), "");
});

test("a fork on its way is shown as any new task, until the list has the task that it made", () => {
  const fork: Command = {
    id: "3",
    op: "fork",
    task: "task_a",
    at: 0,
    args: { at: 7, prompt: "Another way" },
  };
  const known = new Set(["task_a"]);
  const [sent] = sentTasks(receipts({ command: fork, at: 0, state: "kept" }), known);
  assert.equal(sent!.title, "Another way");
  const made = { command: fork, at: 0, ...LOGGED, task: "task_b", version: 1 };
  assert.equal(sentTasks(receipts(made), known).length, 1);
  assert.equal(sentTasks(receipts(made), new Set(["task_b"])).length, 0);
});
