// A history as a film: hours in half a minute, which stops by itself at decisions and failures. Pure.
import type { StoredEvent } from "../generated/events.gen.ts";

export type TickKind = "person" | "asked" | "plan" | "files" | "failure" | "delivery" | "money";

/** A place on the scrubber that is worth a look. */
export interface Tick {
  readonly version: number;
  readonly kind: TickKind;
}

/** One event in the film: `at` is in milliseconds of the film. */
export interface Frame {
  readonly version: number;
  readonly at: number;
  /** The film stops here: a person decided, or something failed. */
  readonly isStop: boolean;
}

export interface Film {
  readonly frames: readonly Frame[];
  readonly lengthMs: number;
}

const FILM_MS = 30_000;
const SHORTEST_FILM_MS = 3_000;
const PER_EVENT_MS = 250;

/** Make a film. A long wait takes little more of it than a short one. */
export function filmOf(events: readonly StoredEvent[]): Film {
  const lengthMs = Math.min(FILM_MS, Math.max(SHORTEST_FILM_MS, events.length * PER_EVENT_MS));
  const weights = events.map((event, place) => weight(events[place - 1], event));
  const total = weights.reduce((sum, each) => sum + each, 0) || 1;
  let passed = 0;
  const frames = events.map((event, place) => {
    passed += weights[place]!;
    return { version: event.version, at: (passed / total) * lengthMs, isStop: isStop(event) };
  });
  return { frames, lengthMs };
}

/** The version that the film shows at a time of it. */
export function versionAt(film: Film, at: number): number {
  let low = 0;
  let high = film.frames.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (film.frames[middle]!.at <= at) low = middle;
    else high = middle - 1;
  }
  return film.frames[low]?.version ?? 0;
}

/** When a version is shown. */
export function timeOf(film: Film, version: number): number {
  return film.frames.find((frame) => frame.version >= version)?.at ?? film.lengthMs;
}

/** The next place after a version where the film stops; null: it runs to its end. */
export function nextStop(film: Film, version: number): Frame | null {
  return film.frames.find((frame) => frame.isStop && frame.version > version) ?? null;
}

export function ticksOf(events: readonly StoredEvent[]): readonly Tick[] {
  const ticks: Tick[] = [];
  for (const event of events) {
    const kind = KINDS[event.type];
    if (kind !== undefined) ticks.push({ version: event.version, kind });
  }
  return ticks;
}

const KINDS: Partial<Record<StoredEvent["type"], TickKind>> = {
  "task.submitted": "person",
  "task.instructed": "person",
  "question.answered": "person",
  "approval.answered": "person",
  "task.interrupted": "person",
  "task.cancelled": "person",
  "budget.raised": "money",
  "budget.exhausted": "money",
  "question.asked": "asked",
  "approval.requested": "asked",
  "plan.updated": "plan",
  "snapshot.taken": "files",
  "machine.lost": "failure",
  "task.failed": "failure",
  "task.abandoned": "failure",
  "branch.pushed": "delivery",
  "pull_request.opened": "delivery",
  "task.finished": "delivery",
};

const STOPS: ReadonlySet<TickKind> = new Set(["person", "money", "failure"]);

function isStop(event: StoredEvent): boolean {
  const kind = KINDS[event.type];
  return event.version > 1 && kind !== undefined && STOPS.has(kind);
}

/** How much of the film an event takes: one part, and more the longer it was waited for. */
function weight(before: StoredEvent | undefined, event: StoredEvent): number {
  if (before === undefined) return 1;
  const seconds = Math.max(0, (Date.parse(event.at) - Date.parse(before.at)) / 1000);
  return 1 + Math.log1p(seconds);
}
