// Tool calls: a run of them is one row. Plans, questions and submissions show as what they are.
import type { StoredEvent } from "../generated/events.gen.ts";
import type { Changes, Draft, EventOf } from "./draft.ts";
import type { ApprovalRow, Call } from "./rows.ts";

const QUIET: ReadonlySet<string> = new Set(["plan", "ask", "submit"]);

function begun(event: EventOf<"tool.started">, approval: number, thinking: string): Call {
  return {
    call: event.call,
    tool: event.tool,
    title: event.title,
    command: event.command ?? "",
    state: "running",
    from: event.version,
    to: event.version,
    at: event.at,
    seconds: 0,
    exitCode: 0,
    output: "",
    isTruncated: false,
    diff: "",
    artifact: null,
    reason: "",
    approval,
    thinking,
  };
}

/** Apply how a call ended. A quiet one is shown only when it did not go well. */
function end(draft: Draft, event: StoredEvent & { call: string }, changes: Partial<Call>): void {
  draft.closeAsks(event.version, "call_ended", (call) => call === event.call);
  const quiet = draft.context.quiet.find((each) => each.call === event.call);
  if (quiet !== undefined) {
    draft.note({ quiet: draft.context.quiet.filter((each) => each !== quiet) });
    if (changes.state !== "done") {
      draft.addCall(event, { ...quiet, ...changes, to: event.version });
    }
  } else if (!draft.changeCall(event.call, event.version, changes)) {
    actOn(draft, event.call, event.version);
  }
}

/** Record that the agent went on with a call that was asked for. Returns the ask's version. */
function actOn(draft: Draft, call: string, version: number): number {
  const { unactedApprovals } = draft.context;
  for (let index = unactedApprovals.length - 1; index >= 0; index--) {
    const place = unactedApprovals[index]!;
    const row = draft.rows[place];
    if (row?.kind !== "approval" || row.call !== call) continue;
    draft.change<ApprovalRow>(place, row, version, { actedOn: version });
    draft.note({ unactedApprovals: unactedApprovals.filter((each) => each !== place) });
    return row.from;
  }
  return 0;
}

export const toolChanges: Changes = {
  "tool.started": (draft, event) => {
    const approval = actOn(draft, event.call, event.version);
    const call = begun(event, approval, draft.context.thinking);
    if (draft.context.thinking !== "") draft.note({ thinking: "" });
    if (QUIET.has(event.tool)) draft.note({ quiet: [...draft.context.quiet, call] });
    else draft.addCall(event, call);
  },
  "tool.completed": (draft, event) => {
    const exitCode = event.exit_code ?? 0;
    end(draft, event, {
      state: event.is_error || exitCode !== 0 ? "failed" : "done",
      exitCode,
      seconds: event.seconds ?? 0,
      output: event.output,
      isTruncated: event.is_truncated ?? false,
      diff: event.diff ?? "",
      artifact: event.artifact ?? null,
    });
  },
  "tool.interrupted": (draft, event) => {
    end(draft, event, { state: "interrupted", reason: event.reason });
  },
};
