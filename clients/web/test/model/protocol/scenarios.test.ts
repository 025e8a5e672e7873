// The transcripts that every client of the stream is held to; Python's: tests/clients/stream/test_scenarios.py.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Problem } from "../../../src/model/generated/api.gen.ts";
import {
  type Effect,
  follow,
  type Position,
  type Received,
  startAt,
} from "../../../src/model/protocol/following.ts";
import {
  answered,
  begin,
  dueAt,
  keep,
  next,
  type Outbox,
  startOutbox,
} from "../../../src/model/protocol/outbox.ts";
import { closeAction, pauseMs } from "../../../src/model/protocol/reconnect.ts";

// biome-ignore lint/suspicious/noExplicitAny: transcripts are JSON
type Json = any;

function load(name: string): Json {
  return JSON.parse(readFileSync(`../../tests/clients/scenarios/${name}.json`, "utf8"));
}

function received(step: Json): Received {
  if (step.page) return { kind: "page", versions: step.page };
  if (step.pause_over) return { kind: "pause_over" };
  if (step.connect) return { kind: "connected" };
  const { t: kind = "event", versions = {}, ...fields } = step.receive;
  return { kind, ...fields, ...(kind === "head" ? { version: versions.task_a } : {}) };
}

function doneBy(effects: readonly Effect[], step: Json, position: Position): Json {
  const done: Json = step.connect ? { resume: position.version } : {};
  for (const effect of effects) {
    if (effect.kind === "apply") done.applied = [...(done.applied ?? []), effect.version];
    else if (effect.kind === "fetch") done.fetch = effect.after;
    else done[effect.kind] = "version" in effect ? effect.version : true;
  }
  return done;
}

for (const scenario of load("following")) {
  test(`following: ${scenario.name}`, () => {
    let position = startAt(scenario.version);
    for (const [place, step] of scenario.steps.entries()) {
      const [after, effects] = follow(position, received(step));
      const { state, ...expected } = step.expect;
      assert.deepEqual(doneBy(effects, step, after), expected, `step ${place + 1}`);
      if (state) assert.equal(after.following, state, `step ${place + 1}`);
      position = after;
    }
  });
}

function command(id: string): Json {
  return { id, op: "archive", task: "task_a", args: {}, at: 0 };
}

function outboxStep(outbox: Outbox, step: Json): [Outbox, Json] {
  const now = (step.at ?? 0) * 1000;
  if (step.keep) return [keep(outbox, command(step.keep)), {}];
  if (step.connect) return [begin(outbox), {}];
  if (step.ack || step.nak) {
    const problem = { retryable: step.retryable } as Problem;
    const answer: Json = step.ack
      ? { t: "ack", id: step.ack, task: "task_a", version: step.version }
      : { t: "nak", id: step.nak, problem };
    const [after, outcome] = answered(outbox, answer, now, step.chance ?? 0);
    return [after, { outcome: outcome.kind }];
  }
  const [after, sent] = next(outbox, now);
  return [after, { send: sent?.id ?? null }];
}

for (const scenario of load("outbox")) {
  test(`outbox: ${scenario.name}`, () => {
    let outbox = startOutbox([]);
    for (const [place, step] of scenario.steps.entries()) {
      const [after, done] = outboxStep(outbox, step);
      const { due, ...expected } = step.expect ?? {};
      if (expected.queue) done.queue = after.queue.map((each) => each.id);
      assert.deepEqual(done, expected, `step ${place + 1}`);
      if (due) assert.ok(Math.abs(due * 1000 - dueAt(after)!) < 0.001, `step ${place + 1}`);
      outbox = after;
    }
  });
}

test("close codes have the verdicts of the transcript", () => {
  for (const { code, verdict } of load("reconnect").codes) assert.equal(closeAction(code), verdict);
});

test("pauses are as long as the transcript says", () => {
  for (const { failures, retry_ms, chance, seconds } of load("reconnect").pauses) {
    const pause = pauseMs(failures, retry_ms, chance);
    assert.ok(Math.abs(pause - seconds * 1000) < 0.001, `${failures}: ${pause}`);
  }
});
