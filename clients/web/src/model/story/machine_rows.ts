// Machines: the boundaries between them, told without drama. Snapshots and costs have no row.

import type { Changes, Draft } from "./draft.ts";
import type { Call, MachineRow, SetupRow } from "./rows.ts";

const ENDINGS: ReadonlySet<string> = new Set([
  "done",
  "finished",
  "failed",
  "cancelled",
  "abandoned",
]);

/** The newest machine's row, as long as it is in the making and the task has not ended since. */
function making(draft: Draft): [number, MachineRow] | null {
  for (let place = draft.rows.length - 1; place >= 0; place--) {
    const row = draft.rows[place]!;
    if (row.kind === "end") return null;
    if (row.kind === "machine") return row.takenUp === 0 ? [place, row] : null;
  }
  return null;
}

/** Stop a set-up that runs; the next machine runs it again. */
function interruptSetup(draft: Draft, version: number): void {
  const found = draft.findLast("setup");
  if (found?.[1].call.state !== "running") return;
  const call: Call = {
    ...found[1].call,
    state: "interrupted",
    reason: "machine_lost",
    to: version,
  };
  draft.change<SetupRow>(found[0], found[1], version, { call });
}

function change(draft: Draft, version: number, changes: Partial<MachineRow>): void {
  const found = making(draft);
  if (found !== null) draft.change<MachineRow>(found[0], found[1], version, changes);
}

/** Stop the calls that run: their machine is certainly gone. Returns their titles. */
function interruptCalls(draft: Draft, version: number): readonly string[] {
  const titles: string[] = [];
  interruptSetup(draft, version);
  const stop = (call: Call): Call => ({
    ...call,
    state: "interrupted",
    reason: "machine_lost",
    to: version,
  });
  for (let place = draft.rows.length - 1; place >= 0; place--) {
    const row = draft.rows[place]!;
    if (row.kind === "machine") break;
    if (row.kind !== "tools" || row.calls.every((call) => call.state !== "running")) continue;
    titles.unshift(...row.calls.filter((c) => c.state === "running").map((c) => c.title));
    const calls = row.calls.map((call) => (call.state === "running" ? stop(call) : call));
    draft.rows[place] = { ...row, calls, to: version };
  }
  titles.push(...draft.context.quiet.map((call) => call.title));
  draft.note({ quiet: [] });
  return titles;
}

const NO_MACHINE = {
  kind: "machine",
  loss: null,
  left: null,
  refusal: null,
  undone: [],
  takenUp: 0,
  seconds: 0,
} as const;

export const machineChanges: Changes = {
  "machine.requested": (draft, event) => {
    draft.closeAsks(event.version, "machine_lost");
    if (making(draft) !== null) {
      change(draft, event.version, { state: "wanted", attempt: event.attempt });
      return;
    }
    const { left } = draft.context;
    const row = { ...draft.base(event), ...NO_MACHINE, attempt: event.attempt, left };
    draft.add({ ...row, state: "wanted" });
    draft.note({ left: null });
  },
  "machine.started": (draft, event) => change(draft, event.version, { state: "booting" }),
  "machine.refused": (draft, event) => {
    const times = (making(draft)?.[1].refusal?.times ?? 0) + 1;
    const refusal = { reason: event.reason, retryAt: event.retry_at, times };
    change(draft, event.version, { state: "refused", refusal });
  },
  "machine.lost": (draft, event) => {
    draft.closeAsks(event.version, "machine_lost");
    const loss = {
      version: event.version,
      at: event.at,
      reason: event.reason,
      detail: event.detail ?? "",
      retryAt: event.retry_at,
      inFlight: interruptCalls(draft, event.version),
    };
    if (making(draft) !== null) {
      change(draft, event.version, { state: "lost", loss });
      return;
    }
    const row = { ...draft.base(event), ...NO_MACHINE, attempt: event.attempt, loss };
    draft.add({ ...row, state: "lost" });
  },
  "machine.destroyed": (draft, event) => {
    const newest = draft.findLast("machine")?.[1];
    if (newest?.attempt === event.attempt) interruptCalls(draft, event.version);
  },
  "attempt.started": (draft, event) => {
    interruptSetup(draft, event.version);
    const undone = event.undone ?? [];
    for (const each of undone) draft.changeCall(each.call, event.version, { state: "undone" });
    const found = making(draft);
    if (found === null) return;
    const [place, row] = found;
    const since = row.loss?.at ?? row.at;
    draft.change<MachineRow>(place, row, event.version, {
      state: "preparing",
      attempt: event.attempt,
      takenUp: event.version,
      seconds: Math.max(0, (Date.parse(event.at) - Date.parse(since)) / 1000),
      undone: undone.map((each) => each.title),
    });
  },
  "workspace.prepared": (draft, event) => {
    const found = draft.findLast("machine");
    if (found?.[1].state !== "preparing") return;
    draft.change<MachineRow>(found[0], found[1], event.version, { state: "ready" });
  },
  "attempt.ended": (draft, event) => {
    if (ENDINGS.has(event.reason)) return;
    draft.note({ left: { reason: event.reason, detail: event.detail ?? "" } });
  },
};
