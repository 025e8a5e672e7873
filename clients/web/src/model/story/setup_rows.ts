// Set-ups: how a task's environment was prepared, shown like a call that is the machine's own.
import type { Changes } from "./draft.ts";
import type { Call, SetupRow } from "./rows.ts";

/** The name of the block in which the output of a set-up passes. */
export const SETUP_CALL = "environment";

const TITLES = {
  running: "Set up the environment",
  cached: "Took the environment from the cache",
} as const;

const RUNNING: Omit<Call, "from" | "to" | "at"> = {
  call: SETUP_CALL,
  tool: "set-up",
  title: TITLES.running,
  command: "",
  state: "running",
  seconds: 0,
  exitCode: 0,
  output: "",
  isTruncated: false,
  diff: "",
  artifact: null,
  reason: "",
  approval: 0,
  thinking: "",
};

export const setupChanges: Changes = {
  "workspace.prepared": (draft, event) => {
    if (!event.environment) return;
    const base = draft.base(event);
    const call = { ...RUNNING, from: base.from, to: base.to, at: base.at };
    draft.add({ ...base, kind: "setup", call, why: "", problem: "", changed: [] });
  },
  "environment.prepared": (draft, event) => {
    const found = draft.findLast("setup", (row) => row.call.state === "running");
    if (found === null) return;
    const [place, row] = found;
    const problem = event.problem ?? "";
    const call: Call = {
      ...row.call,
      title: event.cached ? TITLES.cached : TITLES.running,
      command: event.definition.setup ?? "",
      state: problem ? "failed" : "done",
      seconds: event.seconds ?? 0,
      exitCode: event.exit_code ?? 0,
      output: event.output ?? "",
      isTruncated: event.is_truncated ?? false,
      artifact: event.artifact ?? null,
      to: event.version,
    };
    const changed = event.changed ?? [];
    draft.change<SetupRow>(place, row, event.version, {
      call,
      why: event.reason ?? "",
      problem,
      changed,
    });
  },
};
