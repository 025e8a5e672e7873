// Histories that a whole stack recorded (tests/clients/web/record_histories.py), and made-up events.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Fact, StoredEvent } from "../../src/model/generated/events.gen.ts";

export type HistoryName =
  | "approval_allowed"
  | "approval_denied"
  | "approval_for_task"
  | "budget_raised"
  | "cancelled"
  | "failed"
  | "machine_lost"
  | "pull_request"
  | "question"
  | "steered";

export const HISTORY_NAMES: readonly HistoryName[] = [
  "approval_allowed",
  "approval_denied",
  "approval_for_task",
  "budget_raised",
  "cancelled",
  "failed",
  "machine_lost",
  "pull_request",
  "question",
  "steered",
];

/** Read a recorded history. The working folder is clients/web. */
export function history(name: HistoryName): StoredEvent[] {
  return readLines(resolve("test", "histories", `${name}.jsonl`));
}

/** Every stored shape of every event. */
export function goldenEvents(type: string): StoredEvent[] {
  return readLines(resolve("..", "..", "tests", "events", "golden", `${type}.1.jsonl`));
}

function readLines(path: string): StoredEvent[] {
  return readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as StoredEvent);
}

export const BEGAN = Date.parse("2026-11-28T14:00:00Z");
export const ZONE = "UTC";

/** Events made of facts, one second apart, from version 1 or another. */
export function recorded(facts: readonly Fact[], first = 1): StoredEvent[] {
  return facts.map((fact, place) => ({
    id: `evt_${first + place}`,
    task: "task_1",
    version: first + place,
    at: new Date(BEGAN + (first + place) * 1000).toISOString(),
    by: fact.type.startsWith("task.submitted") ? "person:per_ada" : "worker:1",
    cause: "",
    ...fact,
  }));
}

/** The place of the first event of a type. */
export function versionOf(events: readonly StoredEvent[], type: StoredEvent["type"]): number {
  const found = events.find((event) => event.type === type);
  if (found === undefined) throw new Error(`no ${type} in this history`);
  return found.version;
}

/** Turns of one call each, as the worker writes them: about as many events as asked for. */
export function longHistory(events: number): StoredEvent[] {
  const facts: Fact[] = [
    { type: "task.submitted", prompt: "Work long", repository: { url: "u" }, model: "claude" },
  ];
  for (let turn = 1; facts.length < events; turn++) {
    const call = `toolu_${turn}`;
    const text = turn % 3 === 0 ? [{ type: "text", text: `Step **${turn}** is done.` }] : [];
    facts.push(
      { type: "model.requested", turn, model: "claude" },
      {
        type: "model.replied",
        turn,
        stop_reason: "tool_use",
        usage: {},
        cost_microusd: 4000,
        blocks: [...text, { type: "tool_use", id: call, name: "bash", input: {} }],
      },
      { type: "tool.started", call, tool: "bash", title: "Run the tests", command: "pytest -q" },
      { type: "tool.completed", call, output: "12 passed\n".repeat(20), seconds: 1.5 },
      {
        type: "snapshot.taken",
        tree: `t${turn}`,
        pack: { key: "k", size_bytes: 1, sha256: "s" },
        files: 1,
        insertions: turn,
        deletions: 0,
      },
    );
  }
  return recorded(facts.slice(0, events));
}
