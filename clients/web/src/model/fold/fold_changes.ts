// What each type of event makes of a task's state.
import type {
  ExhaustedBudget,
  Phase,
  TaskBudget,
  TaskState,
  Waiting,
} from "../generated/api.gen.ts";
import type { Budget, Fact, Usage } from "../generated/events.gen.ts";
import { canonicalTime } from "./text.ts";

export type Type = Fact["type"];
export type Event<T extends Type> = Extract<Fact, { type: T }>;
export type Change<T extends Type> = (state: TaskState, event: Event<T>, at: string) => TaskState;

export function hasEnded(phase: Phase): boolean {
  return phase === "finished" || phase === "failed" || phase === "cancelled";
}

const NOTHING_ASKED = { question: null, approval: null, retry_at: null };

const SETTING_UP = "Set up the environment";

const unchanged = (state: TaskState): TaskState => state;

export const CHANGES: { readonly [T in Exclude<Type, "task.erased">]: Change<T> } = {
  "task.submitted": unchanged,
  "task.instructed": (state, { mode = "steer" }) => {
    const here = withoutSharedLimit(state);
    if (hasEnded(here.phase)) return reopened(here);
    const asked: Waiting[] = mode === "steer" ? ["question", "approval"] : [];
    return waitsNoMore(here, "instruction", "provider", ...asked);
  },
  "instruction.edited": unchanged,
  "instruction.withdrawn": unchanged,
  "question.answered": (state, { request }) =>
    state.question?.request === request ? waitsNoMore(state, "question") : state,
  "approval.answered": (state, { request }) =>
    state.approval?.request === request ? waitsNoMore(state, "approval") : state,
  "budget.raised": (state, { cost_microusd }) =>
    waitsNoMore(raised(state, cost_microusd), "budget"),
  "egress.allowed": unchanged,
  "egress.denied": unchanged,
  "task.interrupted": (state) => waits(state, "instruction"),
  "task.cancelled": (state, _event, at) => ended(state, at, { phase: "cancelled" }),
  "task.archived": (state) => ({ ...state, is_archived: true }),
  "machine.requested": (state, { attempt }) =>
    ifOpen(state, {
      phase: "starting",
      waiting: still(state),
      ...NOTHING_ASKED,
      attempts: Math.max(attempt, state.attempts),
      activity: "",
      command: "",
    }),
  "machine.started": unchanged,
  "machine.refused": unchanged,
  "machine.lost": unchanged,
  "machine.destroyed": (state, { cost_microusd }) => ({
    ...state,
    machine_cost_microusd: state.machine_cost_microusd + cost_microusd,
  }),
  "task.abandoned": (state, { reason, detail, remedy }, at) => {
    const isUntrusted =
      reason === "tampered" || (reason === "history_too_large" && state.phase === "finished");
    const open: TaskState = isUntrusted ? { ...state, phase: "working" } : state;
    return ended(open, at, { phase: "failed", failure: { reason, detail, remedy } });
  },
  "attempt.started": (state, { attempt }, at) => takenUp(state, attempt, at),
  "workspace.prepared": (state, { base, environment = "" }) => {
    const here = { ...state, repository: repository(state.repository.url, base) };
    return environment ? ifOpen(here, { activity: SETTING_UP }) : here;
  },
  "environment.prepared": (state) => ifOpen(state, { activity: "" }),
  "model.requested": (state) => ({
    ...ifOpen(works(state), { activity: "Thinking", command: "" }),
    budget_exhausted: null,
  }),
  "model.replied": (state, { turn, usage, cost_microusd }) => ({
    ...paid(state, usage, cost_microusd),
    turns: turn,
    activity: "",
    command: "",
  }),
  "context.compacted": (state, { usage = {}, cost_microusd = 0 }) =>
    paid(state, usage, cost_microusd),
  "model.failed": (state, { retry_at }) =>
    retry_at ? ifOpen(waits(state, "provider"), { retry_at: canonicalTime(retry_at) }) : state,
  "plan.updated": (state, { items }) => ({
    ...state,
    plan: items.map((item) => ({ text: item.text, state: item.state })),
  }),
  "question.asked": (state, { request, text, options = [] }) =>
    ifOpen(waits(state, "question"), { question: { request, text, options } }),
  "approval.requested": (state, event) =>
    ifOpen(waits(state, "approval"), {
      approval: {
        request: event.request,
        title: event.title,
        digest: event.digest,
        covers: event.covers,
        expires_at: canonicalTime(event.expires_at),
        command: event.command ?? "",
        diff: event.diff ?? "",
      },
    }),
  "tool.started": (state, { title, command = "" }) => {
    const tool_calls = state.tool_calls + 1;
    if (hasEnded(state.phase)) return { ...state, tool_calls };
    return { ...state, tool_calls, activity: title, command };
  },
  "tool.completed": toolEnded,
  "tool.interrupted": toolEnded,
  "snapshot.taken": (state, { files, insertions, deletions }) => ({
    ...state,
    files_changed: files,
    insertions,
    deletions,
  }),
  "budget.exhausted": (state, event) => ({
    ...waits(state, "budget"),
    budget_exhausted: met(event),
  }),
  "artifact.stored": unchanged,
  "branch.pushed": (state, { branch, commit }) => ({ ...state, branch, commit }),
  "pull_request.opened": (state, { number, url }) => ({ ...state, pull_request: { number, url } }),
  "task.finished": (state, { summary, outcome }, at) =>
    ended(state, at, { phase: "finished", summary, outcome }),
  "task.failed": (state, { reason, detail, remedy }, at) =>
    ended(state, at, { phase: "failed", failure: { reason, detail, remedy } }),
  "attempt.ended": unchanged,
};

function paid(state: TaskState, usage: Usage, cost: number): TaskState {
  const prompt =
    (usage.input_tokens ?? 0) +
    (usage.cache_creation_input_tokens ?? 0) +
    (usage.cache_read_input_tokens ?? 0);
  return {
    ...state,
    cost_microusd: state.cost_microusd + cost,
    input_tokens: state.input_tokens + prompt,
    output_tokens: state.output_tokens + (usage.output_tokens ?? 0),
  };
}

/** `base` is absent where it is empty, as the gateway leaves it out. */
export function repository(url: string, base = ""): TaskState["repository"] {
  return base === "" ? { url } : { url, base };
}

/** Zeros are absent, as the gateway leaves them out. */
export function limits(budget: Budget = {}): Budget {
  const { cost_microusd, turns, wall_seconds } = budget;
  return {
    ...(cost_microusd ? { cost_microusd } : {}),
    ...(turns ? { turns } : {}),
    ...(wall_seconds ? { wall_seconds } : {}),
  };
}

function met({ scope, spent, limit, resets_at }: Event<"budget.exhausted">): ExhaustedBudget {
  const end = resets_at ? { resets_at: canonicalTime(resets_at) } : {};
  return { scope, spent, limit, ...end };
}

/** Raise the budget as the worker does: when turns or time ran out, by what was submitted. */
function raised(state: TaskState, cost: number): TaskState {
  if (state.budget === null) return { ...state, budget_exhausted: null };
  const { cost_microusd = 0, turns = 0, wall_seconds = 0, submitted = {} } = state.budget;
  const scope = state.budget_exhausted?.scope;
  const budget: TaskBudget = {
    ...limits({
      cost_microusd: cost_microusd && cost_microusd + cost,
      turns: turns + (scope === "turns" ? (submitted.turns ?? 0) : 0),
      wall_seconds: wall_seconds + (scope === "wall" ? (submitted.wall_seconds ?? 0) : 0),
    }),
    submitted,
  };
  return { ...state, budget, budget_exhausted: null };
}

/** A limit that tasks share may have been raised since it was met. */
function withoutSharedLimit(state: TaskState): TaskState {
  const scope = state.budget_exhausted?.scope;
  const isShared = scope === "person" || scope === "account";
  return isShared ? { ...state, budget_exhausted: null } : state;
}

function reopened(state: TaskState): TaskState {
  return {
    ...state,
    phase: "queued",
    ended_at: null,
    failure: null,
    outcome: "",
    is_archived: false,
  };
}

export function ended(state: TaskState, at: string, changes: Partial<TaskState>): TaskState {
  if (hasEnded(state.phase)) return state;
  const still = { activity: "", command: "", waiting: "", ...NOTHING_ASKED } as const;
  return { ...state, ended_at: at, ...still, ...changes };
}

function toolEnded(state: TaskState): TaskState {
  return { ...waitsNoMore(state, "approval"), activity: "", command: "" };
}

function ifOpen(state: TaskState, changes: Partial<TaskState>): TaskState {
  return hasEnded(state.phase) ? state : { ...state, ...changes };
}

function waits(state: TaskState, waiting: Waiting): TaskState {
  return ifOpen(state, { phase: "waiting", waiting, activity: "", command: "", ...NOTHING_ASKED });
}

/** Begin an attempt: it asks its question again by itself, but an interruption outlives it. */
function takenUp(state: TaskState, attempt: number, at: string): TaskState {
  const waiting = still(state);
  return ifOpen(
    { ...state, budget_exhausted: null },
    {
      phase: waiting === "" ? "working" : "waiting",
      waiting,
      ...NOTHING_ASKED,
      attempts: Math.max(attempt, state.attempts),
      started_at: state.started_at ?? at,
      activity: "",
      command: "",
    },
  );
}

function still(state: TaskState): Waiting {
  return state.waiting === "instruction" ? "instruction" : "";
}

function waitsNoMore(state: TaskState, ...reasons: readonly Waiting[]): TaskState {
  return reasons.includes(state.waiting) ? works(state) : state;
}

function works(state: TaskState): TaskState {
  const isWaiting = state.waiting !== "" || state.phase === "waiting";
  if (!isWaiting && !state.question && !state.approval) return state;
  const phase = state.phase === "waiting" ? "working" : state.phase;
  return { ...state, phase, waiting: "", ...NOTHING_ASKED };
}
