// What the service worker makes of a push message.
import assert from "node:assert/strict";
import { test } from "node:test";
import { lineOf } from "../../src/worker/asks.ts";
import { readPush } from "../../src/worker/pushes.ts";

const DECLARED = {
  web_push: 8030,
  app_badge: 2,
  mutable: true,
  notification: {
    title: "Your approval is needed",
    body: "Fix the slug",
    navigate: "https://errand.example/t/task_a?ask=req_1",
    tag: "abc",
    data: { push: "1", class: "needs_input", task: "task_a", request: "req_1", replaces: "abc" },
    mutable: true,
  },
};

test("a declarative message is read, and opens the very ask", () => {
  const push = readPush(JSON.stringify(DECLARED));
  assert.equal(push.title, "Your approval is needed");
  assert.equal(push.path, "/t/task_a?ask=req_1");
  assert.deepEqual([push.task, push.request, push.tag, push.badge], ["task_a", "req_1", "abc", 2]);
});

for (const text of ["", "null", "[]", "{", '{"notification":7}', "\u0000"]) {
  test(`${JSON.stringify(text)} still shows something true`, () => {
    assert.equal(readPush(text).title, "Errand");
    assert.equal(readPush(text).path, "/");
  });
}

for (const navigate of [
  "https://errand.example//evil.example/t/task_b",
  "https://errand.example/\\evil.example/t/task_b",
  "https://errand.example///evil.example/t/task_b",
  "javascript:alert(1)",
  "data:text/html,x",
]) {
  test(`a message leads to no other host: ${navigate}`, () => {
    const push = readPush(JSON.stringify({ notification: { ...DECLARED.notification, navigate } }));
    const opened = new URL(push.path, "https://errand.example/sw.js");
    assert.equal(opened.origin, "https://errand.example");
    assert.ok(push.path.startsWith("/"), "and not beside the worker's own file");
  });
}

test("a message leads to places of this app only", () => {
  const navigate = "https://evil.example/t/task_b";
  const push = readPush(JSON.stringify({ notification: { ...DECLARED.notification, navigate } }));
  assert.equal(push.path, "/t/task_b");
});

const APPROVAL = { request: "req_1", title: "Push", digest: "d1", command: "git push origin x" };

test("a short command is shown whole and can be answered from the card", () => {
  const line = lineOf({ approval: APPROVAL }, "req_1");
  assert.equal(line?.text, "Push: git push origin x");
  assert.equal(line?.ask?.digest, "d1");
});

test("what is cut, has a diff, or could hide something cannot be answered from the card", () => {
  const cases = [
    { ...APPROVAL, command: "x".repeat(200) },
    { ...APPROVAL, diff: "-a\n+b" },
    { ...APPROVAL, command: "echo a\necho b" },
    { ...APPROVAL, command: "echo \u202e" },
    { ...APPROVAL, command: "" },
  ];
  for (const approval of cases) assert.equal(lineOf({ approval }, "req_1")?.ask, null);
});

test("an ask that was answered meanwhile is not shown any more", () => {
  assert.equal(lineOf({ approval: APPROVAL }, "req_2"), null);
  assert.equal(lineOf({ approval: null, question: null }, "req_1"), null);
});

test("a question is shown in its words", () => {
  const line = lineOf({ question: { request: "req_1", text: "Which\ncolour?" } }, "req_1");
  assert.equal(line?.text, "Which colour?");
});
