// The composer's one button says what it does, and does nothing else.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type ComposerSituation,
  canChoose,
  composerHint,
  placeholder,
  primaryAction,
} from "../../../src/model/compose/composer.ts";

const WORKING: ComposerSituation = {
  phase: "working",
  waiting: "",
  text: "",
  images: 0,
  mode: "steer",
  isStopping: false,
};

test("with nothing written the button stops what runs", () => {
  for (const phase of ["queued", "starting", "working", "waiting"] as const) {
    assert.equal(primaryAction({ ...WORKING, phase }).action, "stop");
  }
});

test("a stop that is on its way is not asked for twice", () => {
  const { action, isReady } = primaryAction({ ...WORKING, isStopping: true });
  assert.deepEqual({ action, isReady }, { action: "stop", isReady: false });
});

test("what is written is sent now, or put in line, as the person chose", () => {
  const written = { ...WORKING, text: "Use the old name" };
  assert.equal(primaryAction(written).action, "send");
  assert.equal(primaryAction({ ...written, mode: "queue" }).action, "queue");
});

test("spaces are nothing written", () => {
  assert.equal(primaryAction({ ...WORKING, text: " \n " }).action, "stop");
});

test("pictures wait for words: they neither go alone nor leave the button to stop", () => {
  const alone = { ...WORKING, images: 1 };
  const { action, isReady } = primaryAction(alone);
  assert.deepEqual({ action, isReady }, { action: "send", isReady: false });
  assert.match(composerHint(alone), /pictures/);
  assert.equal(primaryAction({ ...alone, text: "Like this" }).isReady, true);
});

test("a task that has ended is reopened by an instruction, and there is nothing to stop", () => {
  for (const phase of ["finished", "failed", "cancelled"] as const) {
    const ended = { ...WORKING, phase };
    assert.equal(primaryAction(ended).isReady, false);
    assert.equal(primaryAction({ ...ended, text: "Go on" }).label, "Reopen the task");
    assert.equal(primaryAction({ ...ended, text: "Go on", mode: "queue" }).action, "send");
    assert.match(composerHint(ended), /reopens/);
    assert.equal(canChoose(ended), false);
  }
});

test("a stopped task waits for an instruction and cannot be stopped again", () => {
  const stopped = { ...WORKING, phase: "waiting", waiting: "instruction" } as const;
  assert.equal(primaryAction(stopped).isReady, false);
  assert.equal(primaryAction({ ...stopped, text: "Go on", mode: "queue" }).action, "send");
  assert.equal(placeholder(stopped), "What next?");
});

test("who writes while an approval waits reads that the call is then not made", () => {
  const asked = { ...WORKING, phase: "waiting", waiting: "approval" } as const;
  assert.equal(composerHint(asked), "");
  assert.match(composerHint({ ...asked, text: "No" }), /not made/);
  assert.equal(composerHint({ ...asked, text: "Later", mode: "queue" }), "");
});
