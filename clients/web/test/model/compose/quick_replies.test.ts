// Quick replies come from the log, and only where a reply is the next step.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ComposerSituation } from "../../../src/model/compose/composer.ts";
import { quickReplies } from "../../../src/model/compose/quick_replies.ts";
import type { StoredEvent } from "../../../src/model/generated/events.gen.ts";
import { emptyStory, storyOf } from "../../../src/model/story/rows.ts";

const FINISHED: ComposerSituation = {
  phase: "finished",
  waiting: "",
  text: "",
  images: 0,
  mode: "steer",
  isStopping: false,
};

test("while the agent works there is nothing to reply to", () => {
  assert.deepEqual(quickReplies(emptyStory(), { ...FINISHED, phase: "working" }), []);
});

test("a stopped task can be told to go on", () => {
  const stopped = { ...FINISHED, phase: "waiting", waiting: "instruction" } as const;
  assert.ok(quickReplies(emptyStory(), stopped).includes("Go on"));
});

test("options that the agent offered and nobody chose come first", () => {
  const asked = {
    id: "evt_1",
    task: "task_1",
    version: 1,
    at: "2026-11-28T13:00:00Z",
    by: "worker:1",
    cause: "",
    type: "question.asked",
    request: "req_1",
    call: "call_1",
    text: "Which colour?",
    options: ["Green", "Red"],
  } satisfies StoredEvent;
  assert.deepEqual(quickReplies(storyOf([asked]), FINISHED).slice(0, 2), ["Green", "Red"]);
});

test("own replies come after those of the log, and never where something else is asked", () => {
  const own = ["Run the linter", "Run the tests"];
  assert.deepEqual(quickReplies(emptyStory(), { ...FINISHED, phase: "working" }, own), own);
  const finished = quickReplies(emptyStory(), FINISHED, own);
  assert.deepEqual(finished, ["Run the tests", "Explain what you changed", "Run the linter"]);
  const asked = { ...FINISHED, phase: "waiting", waiting: "approval" } as const;
  assert.deepEqual(quickReplies(emptyStory(), asked, own), []);
});
