// The sentence of truth about a task: what happens now, since when, at what cost.
import type { TaskState } from "../generated/api.gen.ts";
import { plainLine } from "../plain.ts";
import { DOING, ENGLISH } from "./english.ts";
import { ago, clockSpan, duration, milliseconds, spentOf, time } from "./numbers.ts";

/** What is needed of a task: of its state, or of its line. */
export type Standing = Pick<
  TaskState,
  | "phase"
  | "waiting"
  | "activity"
  | "model"
  | "cost_microusd"
  | "updated_at"
  | "pull_request"
  | "outcome"
> &
  Partial<Pick<TaskState, "since" | "retry_at" | "budget" | "budget_exhausted">>;

export interface Truth {
  /** What happens: "Claude is running the tests", "Waits for you: 1 approval". */
  readonly what: string;
  /** Since when: a running clock, a span, or how long ago. */
  readonly since: string;
  /** `$0.31 of $2`. */
  readonly cost: string;
  /** True when only the person can make it go on. */
  readonly isWaiting: boolean;
}

export interface Moment {
  /** Unix milliseconds. */
  readonly now: number;
  readonly zone?: string;
}

/** Return the parts of the sentence; `sentence` joins them. `begun`: when the running call began. */
export function truth(state: Standing, moment: Moment, begun?: string): Truth {
  const since = begun ?? state.since ?? state.updated_at;
  const seconds = Math.max(0, (moment.now - milliseconds(since)) / 1000);
  const isWaiting = state.phase === "waiting" && state.waiting !== "provider";
  return {
    what: isWaiting ? ENGLISH.waitsForYou(asked(state, moment)) : happening(state, moment),
    since: elapsed(state, since, seconds, moment),
    cost: spentOf(state.cost_microusd, state.budget?.cost_microusd ?? 0),
    isWaiting,
  };
}

export function sentence(said: Truth): string {
  return [said.what, said.since, said.cost].filter((part) => part !== "").join(" · ");
}

function elapsed(state: Standing, since: string, seconds: number, moment: Moment): string {
  switch (state.phase) {
    case "working":
      return clockSpan(seconds);
    case "finished":
    case "failed":
    case "cancelled":
      return ago(since, moment.now, moment.zone);
    default:
      return duration(Math.floor(seconds));
  }
}

function asked(state: Standing, moment: Moment): string {
  switch (state.waiting) {
    case "approval":
      return ENGLISH.anApproval;
    case "question":
      return ENGLISH.aQuestion;
    case "budget":
      return limitReached(state.budget_exhausted ?? null, moment);
    default:
      return ENGLISH.anInstruction;
  }
}

function limitReached(met: Standing["budget_exhausted"], moment: Moment): string {
  if (met?.scope === "turns") return ENGLISH.turnsSpent;
  if (met?.scope === "wall") return ENGLISH.timeSpent;
  if (met?.scope !== "person" && met?.scope !== "account") return ENGLISH.budgetSpent;
  const owner = met.scope === "person" ? ENGLISH.yourBudget : ENGLISH.accountBudget;
  return ENGLISH.sharedSpent(
    owner,
    met.resets_at ? time(met.resets_at, moment.now, moment.zone) : "",
  );
}

function happening(state: Standing, moment: Moment): string {
  switch (state.phase) {
    case "queued":
      return ENGLISH.queued;
    case "starting":
      return ENGLISH.starting;
    case "waiting":
      return state.retry_at
        ? ENGLISH.providerUntil(time(state.retry_at, moment.now, moment.zone))
        : ENGLISH.provider;
    case "finished":
      return `${ENGLISH.finished}${outcome(state)}`;
    case "failed":
      return ENGLISH.failed;
    case "cancelled":
      return ENGLISH.cancelled;
    default:
      return activity(state.activity, agentName(state.model));
  }
}

function outcome(state: Standing): string {
  if (state.pull_request) return `: ${ENGLISH.pullRequest(state.pull_request.number)}`;
  if (state.outcome === "branch") return `: ${ENGLISH.branchPushed}`;
  return state.outcome === "no_changes" ? `: ${ENGLISH.noChanges}` : "";
}

/** What the agent does, from the title of its call. */
export function activity(title: string, agent: string): string {
  if (title === "") return ENGLISH.working(agent);
  if (title === "Thinking") return ENGLISH.thinking(agent);
  const line = plainLine(title);
  for (const [pattern, doing] of DOING) {
    if (pattern.test(line)) return ENGLISH.doing(agent, line.replace(pattern, doing));
  }
  return ENGLISH.doingCalled(agent, line);
}

/** The agent's name for people: "Claude" for its models, else the model's. */
export function agentName(model: string): string {
  return model === "" || model.startsWith("claude") ? ENGLISH.agent : plainLine(model, 40);
}

export interface Connected {
  readonly kind: "live" | "connecting" | "offline" | "stopped";
  /** Unix milliseconds. */
  readonly since: number;
  readonly reason?: string;
}

/** How fresh the screen is: "complete through #412", "offline since 14:02". `head`: if known. */
export function freshness(
  connected: Connected,
  through: number,
  moment: Moment,
  head = through,
): string {
  switch (connected.kind) {
    case "live":
      return head > through ? ENGLISH.catchingUp(through, head) : ENGLISH.complete(through);
    case "connecting":
      return `${ENGLISH.connecting} · ${ENGLISH.complete(through)}`;
    case "offline":
      return ENGLISH.offlineSince(time(connected.since, moment.now, moment.zone));
    case "stopped":
      return connected.reason || ENGLISH.stopped;
  }
}
