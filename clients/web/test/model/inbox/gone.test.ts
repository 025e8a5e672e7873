// What is archived or erased while a device is away leaves its list; what is only older stays.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TaskPage } from "../../../src/model/generated/api.gen.ts";
import type { Line } from "../../../src/model/generated/frames.gen.ts";
import { goneLines } from "../../../src/model/inbox/gone.ts";

const at = (minute: number) => `2026-11-28T12:${String(minute).padStart(2, "0")}:00Z`;
const line = (minute: number) => ({ task: `task_${minute}`, submitted_at: at(minute) }) as Line;

function page(minutes: readonly number[], next: string | null): TaskPage {
  const data = minutes.map((minute) => ({ id: `task_${minute}`, submitted_at: at(minute) }));
  return { data, next } as unknown as TaskPage;
}

const gone = (lines: readonly Line[], shown: TaskPage) =>
  goneLines(lines, shown).map(({ task }) => task);

test("of all tasks, those that are not there are gone", () => {
  assert.deepEqual(gone([line(9), line(5), line(1)], page([9, 7, 5], null)), ["task_1"]);
  assert.deepEqual(gone([line(1)], page([], null)), ["task_1"]);
});

test("of the newest tasks, an older one says nothing", () => {
  assert.deepEqual(gone([line(8), line(5), line(1)], page([9, 7, 5], "more")), ["task_8"]);
});
