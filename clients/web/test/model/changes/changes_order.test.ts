// The order of changed files, and their addresses.
import assert from "node:assert/strict";
import { test } from "node:test";
import { changesPath, inReadingOrder } from "../../../src/model/changes/order.ts";
import type { WorkChange } from "../../../src/model/generated/api.gen.ts";
import { routeOf } from "../../../src/model/routes.ts";

function file(path: string, category: WorkChange["category"]): WorkChange {
  return {
    path,
    category,
    previous_path: "",
    change: "modified",
    insertions: 1,
    deletions: 0,
    is_binary: false,
    old_mode: "100644",
    new_mode: "100644",
    is_guarded: false,
    patch_bytes: 10,
    is_truncated: false,
  };
}

test("what people wrote comes before tests, and lock files come last", () => {
  const files = [
    file("a.lock", "lock"),
    file("b_test.py", "test"),
    file("c.py", ""),
    file("a.py", ""),
  ];
  assert.deepEqual(
    inReadingOrder(files).map(({ path }) => path),
    ["a.py", "c.py", "b_test.py", "a.lock"],
  );
});

for (const path of ["src/a.ts", "a b/é#?.ts", "100%.txt"]) {
  test(`the address of ${path} leads back to it`, () => {
    assert.deepEqual(routeOf(changesPath("task_a", path)), {
      screen: "changes",
      task: "task_a",
      path,
    });
  });
}
