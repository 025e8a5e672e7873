// Templates: what is kept of a new task, and what it becomes again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { NO_CHOICES, type TaskChoices } from "../../../src/model/compose/new_task.ts";
import { usedBranches, usedRepositories } from "../../../src/model/compose/recents.ts";
import {
  choicesOfTemplate,
  nameOf,
  repliesOf,
  tasksOf,
  templateOf,
} from "../../../src/model/compose/templates.ts";
import type { Recents, Template } from "../../../src/model/generated/api.gen.ts";

const CHOSEN: TaskChoices = {
  repository: "https://forge.test/ada/app",
  base: "next",
  model: "opus",
  effort: "high",
  policy: "always",
  budgetMicrousd: 2_000_000,
};

test("a template of a new task becomes the same choices again", () => {
  const content = templateOf(" Tidy ", " Tidy up\n", CHOSEN);
  assert.deepEqual([content.kind, content.name, content.text], ["task", "Tidy", "Tidy up"]);
  assert.deepEqual({ ...NO_CHOICES, ...choicesOfTemplate(content) }, CHOSEN);
});

test("what was left at its default is chosen when the template is sent", () => {
  const content = templateOf("Tidy", "Tidy up", NO_CHOICES);
  assert.deepEqual(Object.keys(content).sort(), ["kind", "name", "policy", "text"]);
  assert.deepEqual({ ...CHOSEN, ...choicesOfTemplate(content) }, { ...CHOSEN, policy: "risky" });
});

test("a template's name begins as the first words of its prompt", () => {
  assert.equal(nameOf("Tidy up\nand more"), "Tidy up");
  assert.equal(nameOf(""), "");
  const name = nameOf("Update all the dependencies and make the tests pass again");
  assert.equal(name, "Update all the dependencies and make…");
  assert.ok(nameOf("x".repeat(90)).length <= 41);
});

test("tasks and quick replies are told apart", () => {
  const kept = (template: string, kind: "reply" | "task"): Template => ({
    template,
    content: { kind, text: template },
    updated_at: "",
  });
  const all = [kept("a", "task"), kept("b", "reply"), kept("c", "task")];
  assert.deepEqual(repliesOf(all), ["b"]);
  assert.deepEqual(
    tasksOf(all).map(({ template }) => template),
    ["a", "c"],
  );
});

const RECENTS: Recents = {
  repositories: [
    { url: "https://forge.test/ada/app", branches: ["next", "main"], used_at: "" },
    { url: "https://forge.test/ada/web", branches: [], used_at: "" },
  ],
  models: [],
};

test("one's own repositories come before the account's, each once", () => {
  const lines = [{ repository: "https://forge.test/bob/lib" }, { repository: "" }, {}];
  const seen = [...lines, { repository: "https://forge.test/ada/web" }];
  assert.deepEqual(usedRepositories(RECENTS, seen, ""), [
    "https://forge.test/ada/app",
    "https://forge.test/ada/web",
    "https://forge.test/bob/lib",
  ]);
  assert.deepEqual(usedRepositories(RECENTS, seen, " LIB "), ["https://forge.test/bob/lib"]);
  assert.deepEqual(usedRepositories(null, lines, ""), ["https://forge.test/bob/lib"]);
});

test("branches are those of the repository that is chosen", () => {
  assert.deepEqual(usedBranches(RECENTS, "https://forge.test/ada/app"), ["next", "main"]);
  assert.deepEqual(usedBranches(RECENTS, "https://forge.test/bob/lib"), []);
  assert.deepEqual(usedBranches(null, ""), []);
});
