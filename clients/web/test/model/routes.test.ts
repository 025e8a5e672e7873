// Addresses and the screens they name.
import assert from "node:assert/strict";
import { test } from "node:test";
import { routeOf } from "../../src/model/routes.ts";

test("the app opens on the list", () => {
  assert.deepEqual(routeOf("/"), { screen: "inbox" });
});

test("a push opens the very ask", () => {
  assert.deepEqual(routeOf("https://errand.example/t/task_a?ask=req_1"), {
    screen: "task",
    task: "task_a",
    ask: "req_1",
    version: 0,
  });
});

test("a link to a moment names its version", () => {
  assert.deepEqual(routeOf("/t/task_a#v212"), {
    screen: "task",
    task: "task_a",
    ask: "",
    version: 212,
  });
});

test("a changed file may lie in folders and have strange letters", () => {
  assert.deepEqual(routeOf("/t/task_a/changes/src/a%20b/%C3%A9.ts"), {
    screen: "changes",
    task: "task_a",
    path: "src/a b/é.ts",
  });
});

test("a code stands in the fragment, which no server sees", () => {
  assert.deepEqual(routeOf("/pair#ABCD-EFGH"), { screen: "pair", code: "ABCD-EFGH" });
});

test("what is not well encoded is taken as it stands", () => {
  assert.deepEqual(routeOf("/settings/%zz"), { screen: "settings", page: "%zz" });
});

for (const fragment of ["v0", "v-1", "v1e9", "vx", "212", "v99999999999999999999"]) {
  test(`#${fragment} is no version`, () => {
    assert.deepEqual(routeOf(`/t/task_a#${fragment}`), {
      screen: "task",
      task: "task_a",
      ask: "",
      version: 0,
    });
  });
}

test("an unknown place is named", () => {
  assert.deepEqual(routeOf("/teapot"), { screen: "unknown", path: "/teapot" });
  assert.deepEqual(routeOf("/t/task_a/teapot"), { screen: "unknown", path: "/t/task_a/teapot" });
});
