// A new task's arguments, and those of a fork.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  forkPath,
  forkPointOf,
  forkRequest,
  NO_CHOICES,
  whatIsMissing,
} from "../../../src/model/compose/new_task.ts";

const LIKE = { ...NO_CHOICES, repository: "https://a/b/c", model: "m", budgetMicrousd: 5 };

test("a fork sends what differs from the other task, and nothing else", () => {
  assert.deepEqual(forkRequest(" go on ", 212, LIKE, LIKE), { at: 212, prompt: "go on" });
  const changed = { ...LIKE, policy: "never", budgetMicrousd: 7, effort: "high" } as const;
  assert.deepEqual(forkRequest("x", 3, changed, LIKE), {
    at: 3,
    prompt: "x",
    policy: "never",
    effort: "high",
    budget: { cost_microusd: 7 },
  });
});

test("an address names a fork, and is read as it was made", () => {
  const point = { task: "task_a", at: 212 };
  assert.deepEqual(forkPointOf(forkPath(point).replace("/new", "")), point);
  for (const query of ["", "?fork=task_a", "?fork=task_a&at=0", "?at=3", "?fork=task_a&at=x"]) {
    assert.equal(forkPointOf(query), null, query);
  }
});

test("a fork needs a prompt, and no repository", () => {
  assert.notEqual(whatIsMissing(" ", NO_CHOICES, true), "");
  assert.equal(whatIsMissing("x", NO_CHOICES, true), "");
  assert.notEqual(whatIsMissing("x", NO_CHOICES), "");
});
