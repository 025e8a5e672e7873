// A history as a film.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { StoredEvent } from "../../../src/model/generated/events.gen.ts";
import { filmOf, nextStop, ticksOf, timeOf, versionAt } from "../../../src/model/past/playback.ts";

const START = Date.parse("2026-11-28T12:00:00Z");

function event(version: number, type: StoredEvent["type"], seconds: number): StoredEvent {
  const at = new Date(START + seconds * 1000).toISOString();
  return { id: `evt_${version}`, task: "task_a", version, at, by: "w", cause: "", type } as never;
}

const THREE_HOURS = [
  event(1, "task.submitted", 0),
  event(2, "attempt.started", 5),
  event(3, "approval.requested", 60),
  event(4, "approval.answered", 9_000),
  event(5, "machine.lost", 9_100),
  event(6, "task.finished", 10_800),
];

test("three hours take at most thirty seconds, and every version has its moment in order", () => {
  const long = Array.from({ length: 2_000 }, (_, n) => event(n + 1, "tool.started", n * 6));
  const film = filmOf(long);
  assert.equal(film.lengthMs, 30_000);
  assert.ok(film.frames.every((frame, n) => n === 0 || frame.at > film.frames[n - 1]!.at));
  assert.equal(film.frames.at(-1)!.at, film.lengthMs);
});

test("a wait of hours takes no more than a few times a wait of a minute", () => {
  const { frames } = filmOf(THREE_HOURS);
  const span = (n: number) => frames[n]!.at - frames[n - 1]!.at;
  assert.ok(span(3) > span(2));
  assert.ok(span(3) < span(2) * 4);
});

test("it stops at what a person decided and at what failed", () => {
  const film = filmOf(THREE_HOURS);
  assert.equal(nextStop(film, 1)?.version, 4);
  assert.equal(nextStop(film, 4)?.version, 5);
  assert.equal(nextStop(film, 5), null);
});

test("time and version lead to each other", () => {
  const film = filmOf(THREE_HOURS);
  for (const { version } of film.frames)
    assert.equal(versionAt(film, timeOf(film, version)), version);
  assert.equal(versionAt(film, 0), 1);
  assert.equal(versionAt(film, film.lengthMs * 2), 6);
});

test("a history of nothing is a film of nothing", () => {
  const film = filmOf([]);
  assert.equal(versionAt(film, 10), 0);
  assert.equal(nextStop(film, 0), null);
});

test("ticks name what is worth a look", () => {
  assert.deepEqual(
    ticksOf(THREE_HOURS).map((tick) => tick.kind),
    ["person", "asked", "person", "failure", "delivery"],
  );
});
