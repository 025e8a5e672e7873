// A task's state, folded from its events: the same fold as the gateway's, at every version.
import type { Failure, TaskState } from "../generated/api.gen.ts";
import type { StoredEvent } from "../generated/events.gen.ts";
import {
  CHANGES,
  type Change,
  type Event,
  ended,
  hasEnded,
  limits,
  repository,
  type Type,
} from "./fold_changes.ts";
import { evolveInstructions } from "./instructions.ts";
import { canonicalTime, titleOf } from "./text.ts";

const MAX_REASON_CHARACTERS = 300;
const REMEDY =
  "An operator finds it with `errand deadletters list`. After an upgrade that repairs it, send " +
  "an instruction to go on. Until then the task can be cancelled and archived.";

/**
 * Apply one event. A history that does not begin with `task.submitted` has no state (null), and an
 * erased one has none any more. Total: where the fold breaks, the task is quarantined from there on.
 */
export function evolve(
  state: TaskState | null,
  event: StoredEvent,
  account: string,
): TaskState | null {
  if (state?.is_quarantined) return beyond(state, event);
  try {
    return step(state, event, account);
  } catch (error) {
    return state && quarantined(state, event, `${error}`.slice(0, MAX_REASON_CHARACTERS));
  }
}

/** Apply events in order. */
export function foldAll(
  state: TaskState | null,
  events: Iterable<StoredEvent>,
  account: string,
): TaskState | null {
  let folded = state;
  for (const event of events) folded = evolve(folded, event, account);
  return folded;
}

function step(state: TaskState | null, event: StoredEvent, account: string): TaskState | null {
  if (state === null) return event.type === "task.submitted" ? begun(event, account) : null;
  if (event.version <= state.version) return state;
  if (event.type === "task.erased") return null;
  const at = canonicalTime(event.at);
  const instructions = evolveInstructions(state.instructions, event);
  const here = { ...state, version: event.version, updated_at: at, instructions };
  const change = CHANGES[event.type] as Change<Type> | undefined;
  const changed = change === undefined ? here : change(here, event, at);
  const isSame = changed.phase === here.phase && changed.waiting === here.waiting;
  return isSame ? changed : { ...changed, since: at };
}

function begun(event: StoredEvent & Event<"task.submitted">, account: string): TaskState {
  const at = canonicalTime(event.at);
  return {
    id: event.task,
    account,
    version: event.version,
    phase: "queued",
    title: event.title || titleOf(event.prompt),
    prompt: event.prompt,
    repository: repository(event.repository.url, event.repository.base),
    model: event.model,
    submitted_at: at,
    updated_at: at,
    waiting: "",
    started_at: null,
    ended_at: null,
    attempts: 0,
    turns: 0,
    tool_calls: 0,
    cost_microusd: 0,
    machine_cost_microusd: 0,
    input_tokens: 0,
    output_tokens: 0,
    activity: "",
    command: "",
    plan: [],
    question: null,
    approval: null,
    files_changed: 0,
    insertions: 0,
    deletions: 0,
    branch: "",
    commit: "",
    pull_request: null,
    summary: "",
    outcome: "",
    failure: null,
    is_archived: false,
    is_quarantined: false,
    since: at,
    budget: { ...limits(event.budget), submitted: limits(event.budget) },
    budget_exhausted: null,
    retry_at: null,
    policy: event.policy ?? "never",
    instructions: [],
    origin: event.origin ? { task: event.origin.task, version: event.origin.version } : null,
  };
}

function quarantined(state: TaskState, event: StoredEvent, reason: string): TaskState {
  const at = canonicalTime(event.at);
  const failure: Failure = {
    reason: "history_unreadable",
    detail: `Its history cannot be read beyond version ${state.version}: ${reason}`,
    remedy: REMEDY,
  };
  const here = { ...state, version: event.version, updated_at: at, is_quarantined: true };
  const since = hasEnded(state.phase) ? state.since : at;
  return { ...ended(here, at, { phase: "failed" }), failure, since };
}

/** Of a quarantined task only what people and operators do to it is applied. */
function beyond(state: TaskState, event: StoredEvent): TaskState | null {
  if (event.version <= state.version) return state;
  const here = { ...state, version: event.version, updated_at: canonicalTime(event.at) };
  switch (event.type) {
    case "task.erased":
      return null;
    case "task.cancelled":
      return { ...here, phase: "cancelled", since: here.updated_at };
    case "task.archived":
      return { ...here, is_archived: true };
    case "task.instructed":
      return { ...here, is_archived: false };
    default:
      return here;
  }
}
