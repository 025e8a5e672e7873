import assert from "node:assert/strict";
import { test } from "node:test";
import { routeOf } from "../../../src/model/routes.ts";
import { pageTitle } from "../../../src/model/words/page_title.ts";

test("a screen's title names the screen and the app", () => {
  assert.equal(pageTitle(routeOf("/"), "", 0), "Tasks · Errand");
  assert.equal(pageTitle(routeOf("/settings/keys"), "", 0), "Settings · Errand");
  assert.equal(pageTitle(routeOf("/zzz"), "", 0), "No such page · Errand");
});

test("a task's title begins with the task, and says which part of it is shown", () => {
  assert.equal(pageTitle(routeOf("/t/x"), "Fix it", 0), "Fix it · Errand");
  assert.equal(pageTitle(routeOf("/t/x/changes/a.py"), "Fix it", 0), "Fix it · Changes · Errand");
  assert.equal(pageTitle(routeOf("/t/x/past"), "", 0), "Task · History · Errand");
});

test("how many tasks wait for the person stands before every title", () => {
  assert.equal(pageTitle(routeOf("/costs"), "", 2), "(2) Costs · Errand");
});
