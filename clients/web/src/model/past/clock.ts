// The honest clock of a task: each moment of it belongs to one of a few, and together they are all.
import type { StoredEvent } from "../generated/events.gen.ts";

export type Spender = "machine" | "model" | "tools" | "person" | "provider" | "idle" | "ended";

/** Seconds of each, from the first event to the last (or to now). They add up to `wall`. */
export interface TaskClock {
  readonly spent: Readonly<Record<Spender, number>>;
  readonly wall: number;
}

/** What the task does for a while, by what began it; the first that is open has the moment. */
const ORDER: readonly Spender[] = ["person", "tools", "model", "provider", "machine"];

class Open {
  private readonly since = new Map<string, Spender>();
  private ended = false;

  get spender(): Spender {
    if (this.ended) return "ended";
    const open = new Set(this.since.values());
    return ORDER.find((each) => open.has(each)) ?? "idle";
  }

  begin(name: string, spender: Spender): void {
    this.since.set(name, spender);
  }

  end(...names: readonly string[]): void {
    for (const name of names) this.since.delete(name);
  }

  endAll(spender: Spender): void {
    for (const [name, each] of this.since) if (each === spender) this.since.delete(name);
  }

  finish(): void {
    this.since.clear();
    this.ended = true;
  }

  reopen(): void {
    if (this.ended) this.begin("machine", "machine");
    this.ended = false;
  }
}

/** Fold a history. `now` (Unix milliseconds): what is open goes on until then. */
export function taskClock(events: readonly StoredEvent[], now?: number): TaskClock {
  const spent = { machine: 0, model: 0, tools: 0, person: 0, provider: 0, idle: 0, ended: 0 };
  const open = new Open();
  const first = events.length > 0 ? Date.parse(events[0]!.at) : 0;
  let last = first;
  for (const event of events) {
    const at = Math.max(last, Date.parse(event.at)); // two writers' clocks may differ a little
    spent[open.spender] += (at - last) / 1000;
    last = at;
    apply(open, event);
  }
  if (now !== undefined && events.length > 0 && now > last) {
    spent[open.spender] += (now - last) / 1000;
    last = now;
  }
  return { spent, wall: (last - first) / 1000 };
}

function apply(open: Open, event: StoredEvent): void {
  switch (event.type) {
    case "task.submitted":
    case "machine.requested":
      open.begin("machine", "machine");
      break;
    case "workspace.prepared":
      open.end("machine");
      if (event.environment) open.begin("environment", "tools");
      break;
    case "environment.prepared":
      open.end("environment");
      break;
    case "machine.lost":
      for (const each of ["tools", "model", "provider", "person"] as const) open.endAll(each);
      open.begin("machine", "machine");
      break;
    case "model.requested":
      open.endAll("provider");
      open.begin("model", "model");
      break;
    case "model.replied":
      open.end("model", "provider");
      break;
    case "model.failed":
      open.end("model");
      if (event.retry_at) open.begin("provider", "provider");
      break;
    case "tool.started":
      if (event.tool !== "ask") open.begin(event.call, "tools");
      break;
    case "tool.completed":
    case "tool.interrupted":
      open.end(event.call, `ask ${event.call}`);
      break;
    default:
      applyWaiting(open, event);
  }
}

/** A call that is asked about begins only after the answer: the time between is the person's. */
function applyWaiting(open: Open, event: StoredEvent): void {
  switch (event.type) {
    case "question.asked":
    case "approval.requested":
      open.begin(event.request, "person");
      break;
    case "question.answered":
    case "approval.answered":
      open.end(event.request);
      break;
    case "budget.exhausted":
      open.begin("budget", "person");
      break;
    case "budget.raised":
      open.end("budget");
      break;
    case "task.interrupted":
      open.begin("instruction", "person");
      break;
    case "task.instructed":
      open.endAll("person");
      open.reopen();
      break;
    case "task.finished":
    case "task.failed":
    case "task.abandoned":
    case "task.cancelled":
      open.finish();
      break;
    default:
  }
}
